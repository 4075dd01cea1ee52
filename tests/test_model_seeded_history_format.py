"""Seeded bugs of the format's reader: shown by a small edit of a shipped stream, and by no shipped stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import byte, header, put
from seeded_bugs import both, seen_in_seeds

from model.seeded.history_format import BUGS, ByteFiveIsSubsection, IndexPresentByAccident, InstanceNotCompared

if TYPE_CHECKING:
    from model.seeded import SeededBug

SMBUS = 0xD2


def test_what_is_of_another_instance_is_loaded_into_the_first() -> None:
    sound, faulty, found = both(InstanceNotCompared, header("virtio-blk", instance=7))
    assert (sound.verdict, faulty.verdict) == ("refused", "accepted")
    assert found == ["verdict/loader/refused->accepted/stream"]
    assert both(InstanceNotCompared, header("virtio-blk", name="virtio-none"))[2] == []


def test_without_the_smbus_the_index_is_not_read() -> None:
    sound, faulty, found = both(IndexPresentByAccident, byte("piix4_pm", SMBUS, 8))
    assert (sound.verdict, faulty.verdict) == ("accepted", "refused")
    assert faulty.at is not None
    assert faulty.at.errors[0].startswith("Missing section footer for 0000:00:01.3/piix4_pm")
    assert found == ["verdict/loader/accepted->refused/piix4_pm"]
    assert both(IndexPresentByAccident, byte("piix4_pm", SMBUS, 1))[2] == []


def test_the_number_of_a_timer_is_read_as_the_beginning_of_a_subsection() -> None:
    sound, faulty, found = both(ByteFiveIsSubsection, put("hpet", "timer[1].tn", 5))
    assert (sound.verdict, faulty.verdict) == ("accepted", "refused")
    assert found == ["verdict/loader/accepted->refused/hpet"]
    assert both(ByteFiveIsSubsection, put("hpet", "timer[1].tn", 6))[2] == []


@pytest.mark.parametrize("bug", BUGS)
def test_no_shipped_stream_shows_it(bug: type[SeededBug]) -> None:
    assert seen_in_seeds(bug) == []
