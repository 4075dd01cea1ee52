"""Counts and their arrays, changed together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import leaf_of, stream

from fuzz.mutate.counts import Counted, count_in, counts_of, numbers_of, recounted
from fuzz.mutate.index import read_leaf

if TYPE_CHECKING:
    from vmformat import Section


def counted(machine: str, kind: str, pattern: str) -> tuple[Section, Counted]:
    section = next(one for one in stream(machine).sections if one.name.rpartition("/")[2] == kind)
    return section, next(one for one in counts_of(section) if one.pattern == pattern)


@pytest.mark.parametrize(
    ("machine", "kind", "pattern", "element"),
    [
        ("pc-small", "hpet", "num_timers", 42),
        ("pc-small", "virtio-net", "virtio.head.config_len", 1),
        ("pc-small", "virtio-net", "virtio.queues.num", 16),
        ("pc-small", "virtio-net", "virtio.device.mac_table.in_use", 6),
        ("q35-modern", "pcie-root-port", "parent_obj.parent_obj.parent_obj.exp.aer_log.log_num", 40),
    ],
)
def test_as_many_elements_as_the_count_says(machine: str, kind: str, pattern: str, element: int) -> None:
    section, one = counted(machine, kind, pattern)
    have = count_in(section, one)
    assert have is not None
    for number in (have + 1, have + 65, max(0, have - 1)):
        made = recounted(section, one, number)
        assert made is not None
        assert len(made.payload) - len(section.payload) == (number - have) * element
        assert read_leaf(made, leaf_of(made, pattern)) == number
        assert made.read_payload()[1] is None


def test_a_subsection_that_is_not_there_has_no_count() -> None:
    section, one = counted("pc-small", "virtio-net", "virtio.device.virtio-net-device/rss.rss_data.indirections_len")
    assert count_in(section, one) is None
    assert recounted(section, one, 3) is None


def test_numbers_begin_at_the_limit() -> None:
    assert numbers_of(3, (64,))[:5] == (65, 64, 4, 2, 0)
    assert 3 not in numbers_of(3, (3,))
    assert all(number >= 0 for number in numbers_of(0, ()))
