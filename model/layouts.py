"""How two layouts of an address space differ, and how that is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.outcome import Row

MOST: Final = 3
"""Ranges and names told."""

FUNCTION: Final = re.compile(r"-[0-9a-f]{2}\.[0-7](?=-|$)")
"""The address of a PCI function in the name of a region that is called after it."""


def apart(old: Sequence[Row], new: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The ranges that only the new layout has, and those that only the old one has, each in order."""
    before, after = set(old), set(new)
    return [row for row in new if row not in before], [row for row in old if row not in after]


def ranges(rows: Sequence[Row]) -> str:
    """Ranges for people."""
    if not rows:
        return "nothing"
    shown = ", ".join(f"{row[0]:x}-{row[1]:x} {row[2]}" + (f" @{row[3]:x}" if row[3] else "") for row in rows[:MOST])
    return shown + (f" and {len(rows) - MOST} more" if len(rows) > MOST else "")


def kinds(rows: Sequence[Row]) -> str:
    """Names of their regions, for a cause: without the addresses of PCI functions that some of them bear."""
    return "+".join(sorted({FUNCTION.sub("", row[2]).replace("/", "-") for row in rows})[:MOST]) or "none"


def space_kind(space: str) -> str:
    """An address space in a cause."""
    return space.replace("/", "-")
