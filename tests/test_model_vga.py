"""VGA: what the legacy addresses show after a load, by the registers that decide it."""

from __future__ import annotations

import pytest
from mutants import Case, Cases, Change, again, check, leaf_of, on, put, section

STANDARD, CIRRUS = "q35-intel-iommu", "pc-cirrus"
VGA, CARD = "/vga", "cirrus_vga"
MEMORY, HANDLER = "vga.vram", "vga-lowmem"
LINEAR, BLIND = 0xFC000000, "cirrus-linear-io"


def registers(device: str, array: str, **values: int) -> Change:
    """Registers of an array, by their numbers in hexadecimal behind an r."""
    edits = [
        section(
            device,
            lambda found, at=int(name[1:], 16), value=value: found.replace_bytes(  # type: ignore[misc]
                leaf_of(found, array).offset + at, bytes([value])
            ),
        )
        for name, value in values.items()
    ]
    return on(*edits)


def chain4(window: int, *more: Change) -> Change:
    return on(registers(VGA, "vga.sr", r2=0x0F, r4=0x08), registers(VGA, "vga.gr", r6=window << 2), *more)


def vbe(bits: int, *more: Change, on_: int = 1) -> Change:
    values = {1: 1024, 2: 768, 3: bits, 4: on_}
    return on(*(put(VGA, f"vbe_regs[{index}]", value) for index, value in values.items()), *more)


def bank(offset: int) -> Change:
    return put(VGA, "bank_offset", offset & 0xFFFFFFFF)


def _std(edit: Change, shows: dict[int, str] | None = None, verdict: str = "accepted") -> Case:
    text = "" if verdict == "accepted" else "Assertion `offset + size <= s->vram_size' failed."
    return Case(edit, verdict, text, shows, machine=STANDARD)


def banks(extension: int = 0, *, sequencer: int = 1, mode: int = 0, first: int = 0, second: int = 0) -> Change:
    """The registers of the card's banks; the graphics controller's first two are saved elsewhere."""
    return on(
        registers(CARD, "vga.sr", r7=sequencer, r17=0),
        registers(CARD, "vga.gr", r3=mode, r7=first, r8=second, r9=extension),
    )


def _cirrus(edit: Change, low: str, high: str, linear: str = MEMORY) -> Case:
    return Case(edit, shows={0xA0000: low, 0xA8000: high, 0xB0000: "cirrus-low-memory", LINEAR: linear}, machine=CIRRUS)


CLOSED = "cirrus-low-memory"
CASES: Cases = {
    "as firmware left it": _std(on(), {0xA0000: HANDLER, 0xBFFFF: HANDLER}),
    "all": _std(chain4(0), {0xA0000: MEMORY, 0xBFFFF: MEMORY}),
    "64 KiB": _std(chain4(1), {0xA0000: MEMORY, 0xAFFFF: MEMORY, 0xB0000: HANDLER}),
    "monochrome": _std(chain4(2), {0xAFFFF: HANDLER, 0xB0000: MEMORY, 0xB8000: HANDLER}),
    "colour": _std(chain4(3), {0xB7FFF: HANDLER, 0xB8000: MEMORY}),
    "not all planes": _std(on(chain4(0), registers(VGA, "vga.sr", r2=0x07)), {0xA0000: HANDLER}),
    "not chained": _std(on(chain4(0), registers(VGA, "vga.sr", r4=0xF7)), {0xA0000: HANDLER}),
    "a bank": _std(chain4(1, bank(0x10000)), {0xA0000: MEMORY}),
    "the last bank": _std(chain4(1, bank(0xFF0000)), {0xA0000: MEMORY}),
    "a bank behind the last": _std(chain4(1, bank(0xFF0001)), None, "aborted"),
    "a bank before the first": _std(chain4(1, bank(-0x10000)), {0xA0000: HANDLER}),
    "a bank of 2 GiB": _std(chain4(1, bank(0x7FFFFFFF)), None, "aborted"),
    "a bank where it does not matter": _std(chain4(2, bank(0x1000000)), {0xB0000: MEMORY}),
    "VBE": _std(vbe(32), {0xA0000: MEMORY, 0xB0000: HANDLER}),
    "VBE, a bank": _std(vbe(32, bank(0x20000)), {0xA0000: MEMORY}),
    "VBE, a bank behind the last": _std(vbe(32, bank(0x1000000)), None, "aborted"),
    "VBE, 16 colours": _std(vbe(4), {0xA0000: HANDLER}),
    "VBE, 16 colours, chained": _std(on(chain4(0), vbe(4)), {0xA0000: HANDLER}),
    "VBE over another window": _std(on(chain4(3), vbe(8)), {0xA0000: MEMORY, 0xB8000: HANDLER}),
    "VBE off": _std(on(chain4(3), vbe(8, on_=0x40)), {0xA0000: HANDLER, 0xB8000: MEMORY}),
    "twice": _std(on(chain4(0), again(VGA)), {0xA0000: MEMORY}),
    "on, then off": _std(on(chain4(0), again(VGA, registers(VGA, "vga.sr", r4=0))), {0xA0000: HANDLER}),
    "VBE, then 16 colours": _std(on(vbe(8), again(VGA, vbe(4))), {0xA0000: MEMORY}),
    "Cirrus as firmware left it": _cirrus(on(), CLOSED, CLOSED),
    "Cirrus, a bank": _cirrus(banks(), MEMORY, MEMORY),
    "Cirrus, a bank of 4 KiB steps": _cirrus(banks(first=3), MEMORY, MEMORY),
    "Cirrus, a bank of 16 KiB steps": _cirrus(banks(0x20, first=3), MEMORY, MEMORY),
    "Cirrus, two banks": _cirrus(banks(0x01, first=3, second=5), MEMORY, MEMORY),
    "Cirrus, two banks, the second at the end": _cirrus(banks(0x21, first=3, second=255), MEMORY, MEMORY),
    "Cirrus, a bank at the end": _cirrus(banks(0x20, first=254), MEMORY, MEMORY),
    "Cirrus, not extended": _cirrus(banks(sequencer=0), CLOSED, CLOSED),
    "Cirrus, by eight": _cirrus(banks(0x02), CLOSED, CLOSED, BLIND),
    "Cirrus, by sixteen": _cirrus(banks(0x14), CLOSED, CLOSED, BLIND),
    "Cirrus, a write mode": _cirrus(banks(0x04, mode=4), CLOSED, CLOSED, BLIND),
    "Cirrus, a write mode that is off": _cirrus(banks(mode=5), MEMORY, MEMORY),
    "Cirrus, cursor": _cirrus(on(banks(), registers(CARD, "vga.sr", r17=0x44)), CLOSED, CLOSED, BLIND),
    "Cirrus, shown, then not": _cirrus(on(banks(), again(CARD, banks(0x02))), CLOSED, CLOSED, BLIND),
    "Cirrus, not shown, then shown": _cirrus(on(banks(0x02), again(CARD, banks())), MEMORY, MEMORY),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
