"""The model and the installed QEMU load the same streams alike: everything that both can tell."""

from __future__ import annotations

from pathlib import Path

import mutants
import pytest

from fuzz.confirm import Against
from fuzz.confirm.hold import hold
from fuzz.corpus import find_machine, find_stream, shipped_machines
from fuzz.crashers import read_crasher
from model import DESIGNS, REFERENCE, Machine, load, parse

SHIPPED = [
    *((machine, moment) for machine in shipped_machines() for moment in ("before", "after")),
    ("linux-intel-iommu", "again"),
]


@pytest.mark.qemu
@pytest.mark.parametrize(("name", "moment"), SHIPPED, ids=["/".join(pair) for pair in SHIPPED])
def test_shipped_streams_load_alike(name: str, moment: str, real_qemu: str) -> None:
    held = hold(mutants.machine(name), find_stream(f"{name}/{moment}").read_bytes(), Against(REFERENCE, real_qemu))
    assert held.lines == ()
    assert held.outcome.verdict == "accepted"
    assert not held.outcome.not_modelled


CRASHERS = sorted((Path(__file__).resolve().parent.parent / "corpus" / "crashers").glob("*.vmstate"))


@pytest.mark.qemu
@pytest.mark.parametrize("path", CRASHERS, ids=[path.stem for path in CRASHERS])
def test_crashers_load_alike_under_the_reference(path: Path, real_qemu: str) -> None:
    machine = mutants.machine(read_crasher(path).machine)
    assert hold(machine, path.read_bytes(), Against(REFERENCE, real_qemu)).lines == ()


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
