"""What is counted of a rebuild is what QEMU would do, whatever our renderer remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tiny
from hypothesis import given
from hypothesis import strategies as st

from model import DESIGNS, load
from model.memory import NO_WORK, FlatRange, Kind, Listener, Memory, Region

if TYPE_CHECKING:
    from model.memory import AddressSpace

RING = tiny.ram({0x3000: tiny.ring(1), 0x4000: tiny.ring(1)})
BLK = tiny.blk(command=6, bar=0xFE000000, desc=0x2000, avail=0x3000, used=0x4000, last_avail=1)
STREAM = tiny.HEADER + tiny.timer() + RING + BLK + tiny.EOF


class Ear(Listener):
    """Hears all there is, and counts for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = 0

    def begin(self) -> None:
        self.heard += 1

    def commit(self) -> None:
        self.heard += 1

    def region_add(self, space: AddressSpace, piece: FlatRange) -> None:
        self.heard += 1

    def region_del(self, space: AddressSpace, piece: FlatRange) -> None:
        self.heard += 1

    def region_nop(self, space: AddressSpace, piece: FlatRange) -> None:
        self.heard += 1


def built() -> tuple[Memory, Region, list[Region]]:
    """A root that three spaces show, one that one space shows, and devices in the first."""
    memory = Memory()
    root = Region("system", Kind.CONTAINER, 1 << 64)
    other = Region("other", Kind.IO, 0x1000)
    for name in ("memory", "cpu", "dma"):
        memory.add_space(name, root)
    memory.add_space("other", other)
    devices = [Region(f"d{i}", Kind.IO, 0x1000) for i in range(4)]
    memory.add_subregion(root, 1 << 32, Region("ram", Kind.RAM, 0x1000))
    for i, device in enumerate(devices):
        memory.add_subregion(root, i * 0x2000, device)
    memory.work.restore(NO_WORK)
    memory.checkpoint()
    return memory, root, devices


def test_a_rebuild_by_hand() -> None:
    memory, _, devices = built()
    memory.set_enabled(devices[0], False)
    work = memory.work
    # ram and three devices, and the range of the other root; the first view is walked by three spaces
    assert (work.views, work.ranges, work.walked, work.callbacks, work.caches) == (2, 4 + 1, 3 * 4 + 1, 0, 0)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12))
def test_remembered_renderings_count_like_new_ones(changes: list[tuple[int, bool]]) -> None:
    memory, _, devices = built()
    counted = []
    for forget in (False, False, True):
        if forget:
            memory.forget()
        before = memory.rebuilds
        for index, enabled in changes:
            memory.set_enabled(devices[index], enabled)
        assert memory.work.views == 2 * (memory.rebuilds - before)
        counted.append(memory.work.save())
        memory.rollback()
        assert memory.work.save() == NO_WORK
    assert counted[0] == counted[1] == counted[2]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12))
def test_every_call_of_a_listener_counts(changes: list[tuple[int, bool]]) -> None:
    memory, _, devices = built()
    ear = Ear()
    memory.register(ear, memory.spaces[0])
    before = ear.heard, memory.work.callbacks
    for index, enabled in changes:
        memory.set_enabled(devices[index], enabled)
    assert memory.work.callbacks - before[1] == ear.heard - before[0]


def test_ring_caches_are_counted_where_they_are_built() -> None:
    machine = tiny.machine()
    costs = []
    for design in ("wrap-main", "per-device", "wrap-main"):
        costs.append(load(machine, STREAM, DESIGNS[design]()).cost)
        machine.reset()
    wrapped, plain, again = costs
    assert wrapped == again
    # three by the load, three by the device's listener at the commit
    assert (wrapped.rebuilds, wrapped.caches) == (1, 6)
    assert plain.rebuilds > 1
    assert plain.caches == 3  # nothing is committed after the rings are there
    assert plain.to_json()["caches"] == 3


def test_a_load_after_another_counts_its_own() -> None:
    machine = tiny.machine()
    first, second = (load(machine, STREAM, DESIGNS["wrap-main"]()).cost for _ in range(2))
    assert (first.rebuilds, first.views, first.caches) == (1, 2, 6)
    assert (second.rebuilds, second.views, second.ranges, second.callbacks) == (0, 0, 0, 0)  # all is there already
    assert second.caches == 3
