"""`wrap-main` held against a QEMU that wraps its main loop in one transaction (wrapped_qemu.py).

What the twins of `model` hold against the installed program, and what is shipped, loads there a second time.
"""

from __future__ import annotations

import subprocess
from importlib import import_module
from typing import TYPE_CHECKING

import mutants
import pytest
import wrapped_qemu
from test_agreement import CRASHERS, SHIPPED

from fuzz.confirm import Against
from fuzz.confirm.hold import hold
from fuzz.corpus import find_stream
from fuzz.crashers import read_crasher
from model import DESIGNS, REFERENCE, judge, load

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.qemu

TABLES = (
    "ahci", "bridge", "chipset", "commands", "fw_cfg", "globalstate", "hda", "header", "pci", "ram", "requests",
    "scsi_disk", "sections", "vapic", "vga", "virtio", "virtio_gpu", "virtio_iommu", "virtio_mem", "virtio_saved",
    "virtio_serial", "virtio_transport", "vtd", "xhci",
)  # fmt: skip


def held(machine: str, data: bytes, binary: Path, timeout: float = 20.0) -> tuple[str, ...]:
    """A line for each disagreement."""
    against = Against(DESIGNS["wrap-main"], binary=str(binary), timeout=timeout, save=False)
    return hold(mutants.machine(machine), data, against).lines


@pytest.mark.parametrize(("name", "moment"), SHIPPED, ids=["/".join(pair) for pair in SHIPPED])
def test_shipped_streams_load_alike(name: str, moment: str, wrapped: Path) -> None:
    assert held(name, find_stream(f"{name}/{moment}").read_bytes(), wrapped) == ()


@pytest.mark.parametrize("path", CRASHERS, ids=[path.stem for path in CRASHERS])
def test_crashers_load_alike(path: Path, wrapped: Path) -> None:
    assert held(read_crasher(path).machine, path.read_bytes(), wrapped) == ()


def chosen(cases: mutants.Cases) -> mutants.Cases:
    """Those that end otherwise under this design than under the reference, and an eighth of the others."""
    return {name: case for i, (name, case) in enumerate(cases.items()) if i % 8 == 0 or ends_otherwise(case)}


def ends_otherwise(case: mutants.Case) -> bool:
    machine, data = mutants.machine(case.machine), mutants.data_of(case)
    reference = load(machine, data, REFERENCE())
    machine.reset()
    outcome = load(machine, data, DESIGNS["wrap-main"]())
    machine.reset()
    return any(finding.cause.oracle != "flat-view-while-pending" for finding in judge(reference, outcome))


@pytest.mark.parametrize("table", TABLES)
def test_the_cases_of_the_twins_load_alike(table: str, wrapped: Path) -> None:
    cases = chosen(import_module(f"test_model_{table}").CASES)
    against = Against(DESIGNS["wrap-main"], binary=str(wrapped), timeout=20.0, save=False)
    found = mutants.hold_all(cases, against)
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_program_without_the_loop_is_left_alone(wrapped: Path) -> None:
    library = wrapped.parent / "wrap_main.so"
    done = subprocess.run(["true"], env={"LD_PRELOAD": str(library)}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_cannot_be_wrapped_is_said(tmp_path: Path) -> None:
    with pytest.raises(wrapped_qemu.CannotWrap, match="no such-qemu"):
        wrapped_qemu.build(tmp_path, "such-qemu")
