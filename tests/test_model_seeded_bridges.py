"""Seeded bugs in what is seen behind bridges. The disk's port has windows at 0xfe200000 and 0xfe800000, 2 MiB each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import byte, dword, on, word
from seeded_bugs import both, seen_in_seeds

from model.seeded.bridges import (
    BUGS,
    ClosedWindowTurned,
    OneGranuleIsNone,
    PowerIgnored,
    PrefetchUpperForgotten,
    WindowGranuleShort,
    WindowTypesUnchecked,
)

if TYPE_CHECKING:
    from mutants import Change

    from model import Outcome
    from model.seeded import SeededBug

PORT, DISK = "02.1/pcie-root-port", "virtio-blk"
TABLE, COMMON = "msix-table", "virtio-pci-common-virtio-blk"

Shown = tuple[str | None, str | None]


def at(address: int, outcome: Outcome) -> str | None:
    """What the guest sees at an address."""
    rows = dict(outcome.layout)["memory"]
    return next((row[2] for row in rows if row[0] <= address <= row[1]), None)


WINDOWS: dict[str, tuple[type[SeededBug], Change, int, Shown]] = {
    "a window of one granule": (WindowGranuleShort, word(PORT, 0x22, 0xFE20), 0xFE200000, (TABLE, None)),
    "a BAR in the last granule": (WindowGranuleShort, dword(DISK, 0x14, 0xFE300000), 0xFE300000, (TABLE, None)),
    "a BAR in the first granule": (WindowGranuleShort, dword(DISK, 0x14, 0xFE280000), 0xFE280000, (TABLE, TABLE)),
    "base and limit in one granule": (OneGranuleIsNone, word(PORT, 0x26, 0xFE81), 0xFE800000, (COMMON, None)),
    "a limit further on": (OneGranuleIsNone, word(PORT, 0x26, 0xFEA1), 0xFE800000, (COMMON, COMMON)),
    "a limit below its base": (
        ClosedWindowTurned,
        on(word(PORT, 0x20, 0xFE30), word(PORT, 0x22, 0xFE20)),
        0xFE200000,
        (None, TABLE),
    ),
    "a limit above its base": (ClosedWindowTurned, word(PORT, 0x22, 0xFE20), 0xFE200000, (TABLE, TABLE)),
    "a base above 4 GiB": (PrefetchUpperForgotten, dword(PORT, 0x28, 1), 0xFE800000, (None, COMMON)),
    "a limit above 4 GiB": (PrefetchUpperForgotten, dword(PORT, 0x2C, 1), 0xFE800000, (COMMON, COMMON)),
    "a slot without power": (PowerIgnored, byte(PORT, 0x6D, 4), 0xFE200000, (None, TABLE)),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_what_is_seen_through_a_window(name: str) -> None:
    bug, change, address, (expected, instead) = WINDOWS[name]
    sound, faulty, found = both(bug, change)
    assert (at(address, sound), at(address, faulty)) == (expected, instead)
    assert bool(found) == (expected != instead)
    assert sound.verdict == faulty.verdict == "accepted"


@pytest.mark.parametrize("register", [0x1C, 0x1D, 0x24, 0x26])
def test_a_window_of_another_type_is_taken(register: int) -> None:
    sound, faulty, found = both(WindowTypesUnchecked, byte(PORT, register, 0x82))
    assert (sound.verdict, faulty.verdict) == ("refused", "accepted")
    assert found == ["verdict/loader/refused->accepted/pcie-root-port"]


@pytest.mark.parametrize("bug", BUGS)
def test_no_shipped_stream_shows_it(bug: type[SeededBug]) -> None:
    assert seen_in_seeds(bug, "per-device", "wrap-main") == []
