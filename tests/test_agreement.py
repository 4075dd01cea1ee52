"""The model and the installed QEMU load the same streams alike: everything that both can tell."""

from __future__ import annotations

from pathlib import Path

import mutants
import pytest

from fuzz.confirm import Against
from fuzz.confirm.hold import hold
from fuzz.corpus import find_stream, shipped_machines
from fuzz.crashers import read_crasher
from model import REFERENCE

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
