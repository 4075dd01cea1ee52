"""Generated machines are machines that a QEMU could have: the laws of their shape, and what a load makes of them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import qemu
from fuzz.generated import MAX_PORTS, Shape, ShapeError, Template, describe, smallest_per_port, stream
from fuzz.generated.shape import RING, RINGS_END, WINDOW
from model import DESIGNS, Machine, Outcome, load, parse
from vmformat import read, write

if TYPE_CHECKING:
    from pathlib import Path

SHAPES = [Shape(1), Shape(2, 2), Shape(6, 3), Shape(5, 5, 2)]
IDS = [shape.name for shape in SHAPES]


@pytest.fixture(scope="module")
def template() -> Template:
    return Template.shipped()


def made(shape: Shape, template: Template) -> tuple[Machine, bytes]:
    machine = Machine(parse(describe(shape, template)))
    return machine, stream(shape, template, machine.schemas)


def loaded(shape: Shape, template: Template, design: str = "per-device") -> tuple[Machine, Outcome]:
    machine, data = made(shape, template)
    return machine, load(machine, data, DESIGNS[design]())


@given(st.integers(1, 256), st.integers(1, 40), st.integers(1, 8))
@settings(max_examples=40)
def test_nothing_overlaps(devices: int, queues: int, per_port: int) -> None:
    try:
        shape = Shape(devices, queues, per_port)
    except ShapeError:
        assert devices > MAX_PORTS * per_port or devices * queues > 5632
        return
    spans = [(one.bars[0], 0x1000) for one in shape.functions] + [(one.bars[1], 0x4000) for one in shape.functions]
    spans += [(port.bar, 0x1000) for port in shape.ports]
    spans += [(shape.ring(one, queue), RING) for one in shape.functions for queue in range(queues)]
    spans.sort()
    assert all(start + size <= following for (start, size), (following, _) in pairwise(spans))
    assert shape.ring(shape.functions[-1], queues - 1) + RING <= RINGS_END
    places = [port.function for port in shape.ports] + [one.function for one in shape.functions]
    assert len(set(places)) == len(places)
    for one in shape.functions:
        assert one.port.memory <= one.bars[0] < one.port.memory + WINDOW
        assert one.port.prefetchable <= one.bars[1] < one.port.prefetchable + WINDOW
        assert len(shape.sizes(one.kind)) >= queues


@pytest.mark.parametrize("shape", SHAPES, ids=IDS)
def test_every_device_is_driven(shape: Shape, template: Template) -> None:
    machine, outcome = loaded(shape, template)
    assert (outcome.verdict, outcome.messages) == ("accepted", ("Expected vmdescription section, but got 0",))
    devices = [device for device in outcome.devices if device.is_virtio]
    assert [device.section for device in devices] == [f"{o.function}/virtio-{o.kind}" for o in shape.functions]
    for device in devices:
        assert (device.broken, device.started) == (False, True)
        assert [queue.index for queue in device.queues] == list(range(shape.queues))
        assert all("pc.ram" in cache for queue in device.queues for cache in queue.caches)
    views = dict(outcome.layout)
    shown = {row[5] for row in views["memory"]}
    for one in shape.functions:
        assert {f"{one.id}:msix-table", f"{one.id}:virtio-pci-common-virtio-{one.kind}"} <= shown
    masters = [space for space in machine.spaces if space.name.startswith("virtio-")]
    assert len(masters) == shape.devices
    assert all(len(space.current) == len(views["memory"]) for space in masters)


@pytest.mark.parametrize("shape", SHAPES, ids=IDS)
def test_the_stream_is_a_stream(shape: Shape, template: Template) -> None:
    machine, data = made(shape, template)
    found = read(data, machine.schemas)
    assert write(found) == data
    ids = [section.section_id for section in found.sections if not section.is_ram]
    assert len(set(ids)) == len(ids)
    assert all(not section.faults for section in found.sections if not section.is_ram)


@pytest.mark.parametrize("queues", [1, 2])
def test_as_many_rebuilds_as_the_machine_that_it_is_cut_from(queues: int, template: Template) -> None:
    # seed-24: 122; there nobody drives the 8 net devices, so that they do not become bus masters
    _, outcome = loaded(Shape(24, queues), template)
    assert outcome.rebuilds == 122 + 8
    _, wrapped = loaded(Shape(24, queues), template, "wrap-main")
    assert dict(wrapped.reads_while_pending)["virtio_init_region_cache"] == 3 * 24 * queues
    assert (wrapped.rebuilds, wrapped.cost.caches) == (1, 2 * 3 * 24 * queues)


def test_all_machines_of_a_curve_have_the_same_ports() -> None:
    assert smallest_per_port([1, 24, MAX_PORTS]) == 1
    assert smallest_per_port([1, 256]) == 2


@pytest.mark.parametrize(
    ("devices", "queues", "per_port"),
    [(0, 1, 1), (1, 0, 1), (1, 1, 9), (MAX_PORTS + 1, 1, 1), (1, 1025, 1), (256, 32, 2)],
)
def test_machines_that_cannot_be(devices: int, queues: int, per_port: int) -> None:
    with pytest.raises(ShapeError):
        Shape(devices, queues, per_port)


@pytest.mark.qemu
@pytest.mark.parametrize("shape", [Shape(1), Shape(6, 3), Shape(9, 2, 2)], ids=str)
def test_a_real_qemu_rebuilds_as_often(shape: Shape, template: Template, real_qemu: str) -> None:
    machine, data = made(shape, template)
    outcome = load(machine, data, DESIGNS["per-device"]())
    real = qemu.load(machine.description.arguments, data, binary=real_qemu)
    assert (real.verdict, real.rebuilds) == (outcome.verdict, outcome.rebuilds) == ("accepted", outcome.rebuilds)


@pytest.mark.qemu
def test_a_real_qemu_in_one_transaction_rebuilds_once(template: Template, wrapped: Path) -> None:
    machine, data = made(Shape(4, 2), template)
    real = qemu.load(machine.description.arguments, data, binary=str(wrapped))
    assert (real.verdict, real.rebuilds) == ("accepted", 1)
