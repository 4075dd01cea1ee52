"""Intel HD Audio: buffer lists of running streams, and the interrupt of a load."""

from __future__ import annotations

import struct

import pytest
from mutants import Case, Cases, Change, check, config, on, outcome_of, page, put

MACHINE, HDA = "q35-intel-iommu", "intel-hda"
LIST = 0x1000000
RUN, COMPLETED = 0x02, 1 << 26


def running(*more: Change, where: int = LIST, last: int = 1) -> Change:
    """The first stream runs, with a list of two buffers."""
    return on(
        config(HDA, 0x04, b"\7"),
        page(LIST, struct.pack("<QIIQII", 0x2000000, 4096, 0, 0x3000000, 2048, 1)),
        put(HDA, "st[0].ctl", RUN), put(HDA, "st[0].lvi", last),
        put(HDA, "st[0].bdlp_lbase", where & 0xFFFFFFFF), put(HDA, "st[0].bdlp_ubase", where >> 32), *more,
    )  # fmt: skip


def messages(control: int) -> Change:
    """The control word of the MSI capability, which firmware leaves off."""
    return config(HDA, 0x62, struct.pack("<HI", control, 0xFEE00000))


def _case(edit: Change, verdict: str = "accepted") -> Case:
    return Case(edit, verdict, "" if verdict == "accepted" else "irq_num < PCI_NUM_PINS", machine=MACHINE)


CASES: Cases = {
    "at rest": _case(on()),
    "runs": _case(running()),
    "runs with 256 buffers": _case(running(last=0xFF)),
    "runs above RAM": _case(running(where=0x5000000)),
    "runs above 4 GiB": _case(running(where=0x500000000)),
    "completed": _case(running(put(HDA, "st[0].ctl", RUN | COMPLETED))),
    "every stream completed": _case(on(*(put(HDA, f"st[{index}].ctl", COMPLETED) for index in range(8)))),
    "an answer": _case(put(HDA, "rirb_sts", 1)),
    "an overrun, wanted": _case(on(put(HDA, "rirb_sts", 4), put(HDA, "int_ctl", 0xC0000000))),
    "a codec woke": _case(on(put(HDA, "state_sts", 1), put(HDA, "wake_en", 1), put(HDA, "int_ctl", 0xC0000000))),
    "a status that is none": _case(put(HDA, "int_sts", 0x80000001)),
    "no pin": _case(config(HDA, 0x3D, b"\0"), "aborted"),
    "pin 5": _case(config(HDA, 0x3D, b"\5"), "aborted"),
    "no pin, messages": _case(on(config(HDA, 0x3D, b"\0"), messages(0x81))),
    "a message": _case(on(put(HDA, "rirb_sts", 1), put(HDA, "int_ctl", 0xC0000000), messages(0x81))),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


def test_buffers_are_told() -> None:
    found = next(device for device in outcome_of(CASES["runs"]).devices if device.kind == HDA)
    assert dict(found.derived) == {"st[0]": "2 buffers: 0x2000000+0x1000, 0x3000000+0x800"}


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
