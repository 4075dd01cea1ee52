"""The model and the installed QEMU load the same streams: verdict, flat views, rebuilds, virtio queues."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz import qemu
from fuzz.corpus import find_machine, find_stream, shipped_machines
from fuzz.crashers import read_crasher
from model import DESIGNS, REFERENCE, Machine, load, parse
from model.memory import layout

SHIPPED = [(machine, moment) for machine in shipped_machines() for moment in ("before", "after")]


@pytest.mark.qemu
@pytest.mark.parametrize(("name", "moment"), SHIPPED, ids=["/".join(pair) for pair in SHIPPED])
def test_shipped_streams_load_alike(name: str, moment: str, real_qemu: str) -> None:
    description = parse(find_machine(name).description.read_bytes())
    data = find_stream(f"{name}/{moment}").read_bytes()
    real = qemu.load(description.arguments, data, binary=real_qemu)
    machine = Machine(description)
    outcome = load(machine, data, REFERENCE())
    assert (outcome.verdict, real.verdict) == ("accepted", "accepted"), real.messages
    assert layout(machine.mtree()) == layout(real.flat)
    assert outcome.rebuilds == real.rebuilds
    assert outcome.messages == real.messages
    assert not outcome.not_modelled
    ids = {handler.name: handler.function.entry.id for handler in machine.handlers if handler.function is not None}
    status = {path.split("/")[3]: dict(found) for path, found in real.virtio}
    indices = {
        (path.split("/")[3], index): tuple(
            found[key] for key in ("last-avail-idx", "shadow-avail-idx", "used-idx", "inuse")
        )
        for path, index, found in real.queues
    }
    for device in outcome.devices:
        if device.kind not in {"virtio-blk", "virtio-net"}:
            continue
        name = ids[device.section]
        assert (device.broken, device.started) == (status[name]["broken"], status[name]["started"])
        for queue in device.queues:
            assert indices[name, queue.index] == (queue.last_avail, queue.shadow_avail, queue.used, queue.inuse)


CRASHERS = sorted((Path(__file__).resolve().parent.parent / "corpus" / "crashers").glob("*.vmstate"))


@pytest.mark.qemu
@pytest.mark.parametrize("path", CRASHERS, ids=[path.stem for path in CRASHERS])
def test_crashers_load_alike_under_the_reference(path: Path, real_qemu: str) -> None:
    crasher = read_crasher(path)
    description = parse(find_machine(crasher.machine).description.read_bytes())
    data = path.read_bytes()
    real = qemu.load(description.arguments, data, binary=real_qemu)
    machine = Machine(description)
    outcome = load(machine, data, REFERENCE())
    assert (outcome.verdict, outcome.rebuilds) == (real.verdict, real.rebuilds), real.messages
    if outcome.verdict == "accepted":
        assert layout(machine.mtree()) == layout(real.flat)


def test_the_thread_s_guest() -> None:
    machine = Machine(parse(find_machine("seed-24").description.read_bytes()))
    data = find_stream("seed-24/after").read_bytes()
    outcome = {}

    for design in DESIGNS.values():
        outcome[design.name] = load(machine, data, design())
        machine.reset()
    assert outcome["per-device"].rebuilds == 122
    wrapped = outcome["wrap-main"]
    assert (wrapped.verdict, wrapped.rebuilds) == ("accepted", 1)
    assert dict(wrapped.reads_while_pending)["virtio_init_region_cache"] == 48
    assert "virtio_init_region_cache" not in dict(wrapped.harmful_reads)
    assert wrapped.layout == outcome["per-device"].layout
    assert outcome["assert-depth"].verdict == "aborted"
