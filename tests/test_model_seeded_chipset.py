"""Seeded bugs in the chipset's own registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import byte
from seeded_bugs import both, seen_in_seeds

from model.seeded.chipset import BUGS, WriteOnlySegmentIsPci

if TYPE_CHECKING:
    from model.seeded import SeededBug

HOST, SEGMENTS = "I440FX", 0x5C
"""The byte for 0xd0000 (low half) and 0xd4000."""


def test_a_shadow_range_for_writes_alone_is_ram() -> None:
    assert "layout/flat-view/pc.ram->pc.rom/memory" in both(WriteOnlySegmentIsPci, byte(HOST, SEGMENTS, 0x21))[2]
    assert both(WriteOnlySegmentIsPci, byte(HOST, SEGMENTS, 0x30))[2] == []


@pytest.mark.parametrize("bug", BUGS)
def test_no_shipped_stream_shows_it(bug: type[SeededBug]) -> None:
    assert seen_in_seeds(bug, "per-device", "wrap-main") == []
