"""What a reset leaves of a loaded machine, held against the program; and that it is made of calls, not of undoing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import mutants
import pytest
import tiny
from test_vmformat_qcow2 import make_image

from fuzz.corpus import find_stream
from fuzz.qemu import Qemu
from model import DESIGNS, REFERENCE, live, load
from model.memory import layout
from vmformat import qcow2, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from model import Machine

MACHINES = ("pc-small", "q35-modern", "q35-usb", "bridges", "q35-intel-iommu", "q35-virtio-iommu", "pc-cirrus")
SHADOW = 0xF0000


@pytest.fixture(params=MACHINES)
def loaded(request: pytest.FixtureRequest) -> Iterator[Machine]:
    machine = mutants.machine(request.param)
    data = find_stream(f"{request.param}/after").read_bytes()
    assert load(machine, data, REFERENCE()).verdict == "accepted"
    yield machine
    machine.reset()


def test_a_machine_that_nobody_has_touched_stays_as_it_is() -> None:
    machine = mutants.machine("bridges")
    before = machine.layout()
    machine.system_reset()
    assert (machine.layout(), machine.memory.rebuilds) == (before, 0)
    machine.reset()


def test_bars_go_and_shadow_ram_stays(loaded: Machine) -> None:
    before = {row[2] for _, rows in loaded.layout() for row in rows}
    bars = {bar.region for function in loaded.functions.values() for bar in function.bars}
    assert any(bar.container is not None for bar in bars)
    assert "pc.ram" in before
    loaded.system_reset()
    assert [bar for bar in bars if bar.container is not None] == []
    rows = dict(loaded.layout())["memory"]
    (shown,) = (row for row in rows if row[0] <= SHADOW <= row[1])
    assert (shown[2], shown[4]) == ("pc.ram", True), "the PAM registers are kept"


def test_a_second_reset_changes_nothing(loaded: Machine) -> None:
    loaded.system_reset()
    once = loaded.layout(), loaded.device_states(), [one.config for one in loaded.functions.values()]
    loaded.system_reset()
    assert (loaded.layout(), loaded.device_states(), [one.config for one in loaded.functions.values()]) == once


def test_the_way_back_leads_past_it(loaded: Machine) -> None:
    loaded.system_reset()
    loaded.reset()
    fresh = loaded.layout()
    data = find_stream(f"{loaded.name}/after").read_bytes()
    first = load(loaded, data, REFERENCE())
    loaded.reset()
    assert loaded.layout() == fresh
    assert load(loaded, data, REFERENCE()) == first


@pytest.mark.parametrize("name", MACHINES)
def test_the_same_stream_loads_alike_after_a_reset(name: str) -> None:
    stages = live(mutants.machine(name), find_stream(f"{name}/after").read_bytes(), REFERENCE, "loadvm")
    assert [stage.name for stage in stages] == ["load", "reset", "again"]
    first, _, again = (stage.outcome for stage in stages)
    assert (again.verdict, again.layout, again.devices, again.messages) == (
        first.verdict, first.layout, first.devices, first.messages,
    )  # fmt: skip


def test_inside_an_open_transaction_the_tree_changes_and_no_view_does() -> None:
    machine = tiny.machine()
    load(machine, tiny.HEADER + tiny.blk(command=6, bar=0x200000) + tiny.EOF, REFERENCE())
    before = machine.layout()
    machine.memory.begin()
    machine.system_reset()
    assert machine.layout() == before
    assert all(bar.container is None for one in machine.functions.values() for bar in (b.region for b in one.bars))
    machine.memory.commit()
    assert machine.layout() != before


@pytest.mark.qemu
@pytest.mark.parametrize("name", ["pc-small", "pc-cirrus", "bridges", "linux-intel-iommu", "q35-virtio-iommu"])
def test_the_program_is_left_alike(name: str, real_qemu: str) -> None:
    machine = mutants.machine(name)
    path = find_stream(f"{name}/after")
    with Qemu(machine.description.arguments, binary=real_qemu, extra=("-incoming", "defer"), sealed=True) as vm:
        assert vm.load(path)
        reset(vm)
        theirs = layout(vm.hmp("info mtree -f"))
    load(machine, path.read_bytes(), DESIGNS["per-device"]())
    machine.system_reset()
    ours = layout(machine.mtree())
    machine.reset()
    assert ours == theirs


def reset(vm: Qemu) -> None:
    """Reset a machine whose views that changes, and wait until it is done, which it is at once."""
    before = vm.hmp("info mtree -f")
    vm.qmp("system_reset")
    for _ in range(500):
        if vm.hmp("info mtree -f") != before:
            return
        time.sleep(0.01)
    pytest.fail("no reset")


@pytest.mark.qemu
@pytest.mark.parametrize("name", ["pc-small", "q35-request"])
def test_a_life_of_snapshot_loads_is_as_the_programs(name: str, real_qemu: str, tmp_path: Path) -> None:
    """A load that fails, reset, the same load, one that succeeds; the views after each."""
    machine = mutants.machine(name)
    bad, theirs = _life_of_program(machine, tmp_path / "disk", real_qemu)
    stages = live(machine, bad, REFERENCE, "loadvm")
    verdicts = [(stage.name, stage.outcome.verdict) for stage in stages]
    assert verdicts == [("load", "refused"), ("reset", "accepted"), ("again", "refused"), ("recovery", "accepted")]
    assert stages[0].outcome.messages[-1] == stages[2].outcome.messages[-1] == "Error -22 while loading VM state"
    load(machine, bad, REFERENCE(), loadvm=True)
    ours = [layout(machine.mtree())]
    machine.system_reset()
    ours.append(layout(machine.mtree()))
    machine.reset()
    assert [ours[0], ours[1], ours[0]] == theirs
    assert stages[0].outcome.layout == stages[2].outcome.layout != stages[1].outcome.layout


def _life_of_program(machine: Machine, image: Path, binary: str) -> tuple[bytes, list[object]]:
    """The stream that fails, and the views after: its load, a reset, its load again. Then a good one must load."""
    arguments = machine.description.arguments
    with Qemu(["-machine", "none"], binary=binary) as vm:
        make_image(vm, image, {})
    with Qemu(arguments, binary=binary, extra=("-incoming", "defer")) as vm:
        assert vm.load(find_stream(f"{machine.name}/after"))
        _open(vm, image)
        for tag in ("good", "bad"):
            vm.qmp("snapshot-save", {"job-id": "job", "tag": tag, "vmstate": "disk", "devices": ["disk"]})
            assert _ended(vm) is None
    bad = _spoil(image)
    with Qemu(arguments, binary=binary) as vm:
        _open(vm, image)
        views: list[object] = []
        for tag in ("bad", "", "bad", "good"):
            if tag:
                vm.qmp("snapshot-load", {"job-id": "job", "tag": tag, "vmstate": "disk", "devices": ["disk"]})
                assert _ended(vm) == {"bad": "Error -22 while loading VM state", "good": None}[tag]
            else:
                reset(vm)
            views.append(layout(vm.hmp("info mtree -f")))
        assert views[3] == views[2]
        return bad, views[:3]


def _open(vm: Qemu, image: Path) -> None:
    vm.qmp("blockdev-add", {"driver": "file", "node-name": "file", "filename": str(image)})
    vm.qmp("blockdev-add", {"driver": "qcow2", "node-name": "disk", "file": "file"})


def _ended(vm: Qemu) -> str | None:
    for _ in range(2000):
        (job,) = vm.qmp("query-jobs")
        if job["status"] == "concluded":
            vm.qmp("job-dismiss", {"id": "job"})
            return None if job.get("error") is None else str(job["error"])
        time.sleep(0.01)
    pytest.fail("the job does not end")


def _spoil(image: Path) -> bytes:
    """Another id in the footer of the last section of snapshot `bad`; the stream that it so becomes."""
    data = bytearray(image.read_bytes())
    state = bytes(qcow2.vm_state(bytes(data), "bad")[:])
    last = read(state).sections[-1]
    foot = last.payload_offset + len(last.payload)
    cluster = foot - foot % 0x10000
    at = data.rfind(state[cluster : cluster + 0x10000])
    data[at + foot - cluster + 4] ^= 0xFF
    image.write_bytes(data)
    spoiled = bytes(qcow2.vm_state(bytes(data), "bad")[:])
    assert spoiled != state
    return spoiled
