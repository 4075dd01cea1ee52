"""The ports of processor hotplug, which a guest makes narrow: in the model and in the real program."""

from __future__ import annotations

import re
from typing import Final

import mutants
import pytest
from mutants import Case, again, on, payload

from fuzz.confirm import Against
from model import REFERENCE

Q35, PC = "linux-q35", "linux-pc"
PORTS: Final = "acpi-cpu-hotplug"


def without_subsection(device: str, name: str) -> mutants.Change:
    """A subsection that is followed by another, or by the end of the payload, cut out."""
    head = bytes([5, len(name)]) + name.encode()

    def cut(data: bytes) -> bytes:
        start = data.index(head)
        behind = re.compile(rb"\x05.[A-Za-z0-9_]+/").search(data, start + len(head))
        return data[:start] + (b"" if behind is None else data[behind.start() :])

    return payload(device, cut)


CASES: Final = {
    "narrow on q35": Case(
        lambda found: found, shows={0xCD8: PORTS, 0xCE3: PORTS, 0xCE4: "io"}, space="I/O", machine=Q35
    ),
    "wide on q35": Case(
        without_subsection("ICH9LPC", "ich9_pm/cpuhp"), shows={0xCD8: PORTS, 0xCF7: PORTS}, space="I/O", machine=Q35
    ),
    "narrow on pc": Case(
        lambda found: found, shows={0xAF00: PORTS, 0xAF0B: PORTS, 0xAF0C: "io"}, space="I/O", machine=PC
    ),
    "wide on pc": Case(
        without_subsection("piix4_pm", "piix4_pm/cpuhp"), shows={0xAF00: PORTS, 0xAF1F: PORTS}, space="I/O", machine=PC
    ),
    "narrow twice": Case(again("piix4_pm"), shows={0xAF0B: PORTS, 0xAF0C: "io"}, space="I/O", machine=PC),
    "narrow, then a section that says nothing": Case(
        on(again("piix4_pm", without_subsection("piix4_pm", "piix4_pm/cpuhp"))),
        shows={0xAF0B: PORTS, 0xAF0C: "io"},
        space="I/O",
        machine=PC,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_model(case: Case) -> None:
    mutants.check(case)


@pytest.mark.qemu
def test_the_real_program_does_the_same(real_qemu: str) -> None:
    found = mutants.hold_all(CASES, Against(REFERENCE, binary=real_qemu, save=False))
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_machine_is_as_before_after_a_reset() -> None:
    bench = mutants.machine(Q35)
    before = bench.mtree()
    mutants.check(CASES["narrow on q35"])
    assert bench.mtree() == before
