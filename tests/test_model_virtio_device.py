"""Arrays over all 1,024 queues: few of them are looked at, and nobody can tell."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.corpus import find_machine
from fuzz.work.build import read_description
from model import Machine
from model.devices.virtio.device import QUEUE_MAX, Virtio

if TYPE_CHECKING:
    from model.load_state import LoadState

INDICES, AT_REST = struct.Struct(">HBHBI"), (0, 1, 0, 1, 0)
PACKED = "virtio.core.virtio/packed_virtqueues.vq"
RECORDS = st.tuples(*(st.integers(0, (1 << bits) - 1) for bits in (16, 8, 16, 8, 32)))


@pytest.fixture(scope="module")
def device() -> Virtio:
    machine = Machine(read_description(find_machine("pc-small").description))
    return next(effects for one in machine.handlers if isinstance(effects := one.effects, Virtio))


def loaded(device: Virtio, records: dict[int, tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The indices of all queues after a section in which these are not at rest."""
    array = b"".join(INDICES.pack(*records.get(index, AT_REST)) for index in range(QUEUE_MAX))
    device.field(cast("LoadState", None), PACKED, array)  # storing fields asks nobody
    return [(one.last_avail, one.last_wrap, one.used_idx, one.used_wrap, one.inuse) for one in device.queues]


@given(st.lists(st.dictionaries(st.integers(0, QUEUE_MAX - 1), RECORDS, max_size=4), min_size=1, max_size=3))
def test_packed_indices_are_those_of_the_section(device: Virtio, sections: list[dict[int, tuple[int, ...]]]) -> None:
    device.reset()
    for records in sections:  # what an earlier section brought is put back at rest by the next
        wanted = [records.get(index, AT_REST) for index in range(QUEUE_MAX)]
        as_bits = [(avail, int(wrap != 0), used, int(other != 0), inuse) for avail, wrap, used, other, inuse in wanted]
        assert loaded(device, records) == as_bits


def test_after_a_reset_all_queues_are_at_rest(device: Virtio) -> None:
    device.reset()
    before = loaded(device, {})
    loaded(device, {0: (1, 0, 2, 0, 3), 700: (1, 0, 2, 0, 3), 1023: (9, 9, 9, 9, 9)})
    device.reset()
    assert loaded(device, {}) == before == [AT_REST] * QUEUE_MAX
