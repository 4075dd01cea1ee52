"""The chipsets' registers: what each value shows in the memory map, by the tables of pci.md 9."""

from __future__ import annotations

import pytest
from mutants import PC, Case, Cases, again, byte, check, dword, on, qword, word

MCH, LPC, SMB = "mch", "ICH9LPC", "ich9_smb"

_ADD_ASSERTION = "memory_region_add_subregion_common: Assertion `!subregion->container' failed."

CASES: Cases = {
    # q35: PAM. Register 0x90 is 0xf0000 (high nibble), 0x91..0x96 two ranges of 16 KiB each, low nibble first.
    "PAM0 ram": Case(byte(MCH, 0x90, 0x30), shows={0xF0000: "pc.ram"}),
    "PAM0 the other ram": Case(byte(MCH, 0x90, 0x20), shows={0xF0000: "pc.ram"}),
    "PAM0 rom": Case(byte(MCH, 0x90, 0x10), shows={0xF0000: "pc.ram (ro)"}),
    "PAM0 pci": Case(byte(MCH, 0x90, 0x00), shows={0xF0000: "pc.bios (ro)"}),
    "PAM0 reserved bits": Case(byte(MCH, 0x90, 0xCF), shows={0xF0000: "pc.bios (ro)"}),
    "PAM1 pci, ram": Case(byte(MCH, 0x91, 0x30), shows={0xC0000: "pc.ram", 0xC3000: "pc.rom (ro)", 0xC4000: "pc.ram"}),
    "PAM all pci": Case(
        on(*(byte(MCH, 0x90 + index, 0) for index in range(7))), shows={0xC4000: "pc.rom (ro)", 0xE0000: "pc.bios (ro)"}
    ),
    "PAM all ones": Case(on(*(byte(MCH, 0x90 + index, 0xFF) for index in range(7))), shows={0xC8000: "pc.ram"}),
    # where q35 shows config space
    "PCIEXBAR off": Case(qword(MCH, 0x60, 0xB0000000), shows={0xB0000000: None}),
    "PCIEXBAR 64M": Case(qword(MCH, 0x60, 0xC0000005), shows={0xC3FFFFFF: "pcie-mmcfg-mmio", 0xC4000000: None}),
    "PCIEXBAR 64M, bit 25": Case(qword(MCH, 0x60, 0xC2000005), shows={0xC1FFFFFF: None, 0xC2000000: "pcie-mmcfg-mmio"}),
    "PCIEXBAR 64M, bit 26 is no address": Case(qword(MCH, 0x60, 0xC4000005), shows={0xC0000000: "pcie-mmcfg-mmio"}),
    "PCIEXBAR 128M": Case(qword(MCH, 0x60, 0xB8000003), shows={0xB0000000: "pcie-mmcfg-mmio", 0xB8000000: None}),
    "PCIEXBAR 128M, bit 26": Case(qword(MCH, 0x60, 0xBC000003), shows={0xB4000000: "pcie-mmcfg-mmio"}),
    "PCIEXBAR reserved length": Case(qword(MCH, 0x60, 0xB0000007), shows={0xB0000000: None}),
    "PCIEXBAR bit 35": Case(qword(MCH, 0x60, 0x8B0000001), shows={0x8B0000000: "pcie-mmcfg-mmio"}),
    "PCIEXBAR bit 36 is no address": Case(qword(MCH, 0x60, 0x10B0000001), shows={0xB0000000: "pcie-mmcfg-mmio"}),
    "PCIEXBAR over RAM": Case(qword(MCH, 0x60, 0x1), text="", shows={0x100000: "pcie-mmcfg-mmio", 0xC0000: "pc.ram"}),
    "PCIEXBAR over all of the chipset": Case(qword(MCH, 0x60, 0xF0000001), shows={0xFE602000: "pcie-mmcfg-mmio"}),
    "PCIEXBAR moved by a second section": Case(again(MCH, qword(MCH, 0x60, 0xC0000001)), shows={0xB0000000: None}),
    "PCIEXBAR kept by a second section of reserved length": Case(
        again(MCH, qword(MCH, 0x60, 0xC0000007)), shows={0xB0000000: "pcie-mmcfg-mmio"}
    ),
    # q35: SMRAM, TSEG, SMBASE
    "SMRAM open": Case(byte(MCH, 0x9D, 0x4A), shows={0xA0000: "pc.ram"}),
    "SMRAM disabled": Case(byte(MCH, 0x9D, 0x02)),
    "SMRAM lock clears open": Case(byte(MCH, 0x9D, 0x5A)),
    "SMRAM all ones": Case(byte(MCH, 0x9D, 0xFF)),
    "SMRAM high": Case(byte(MCH, 0x9E, 0xB8)),
    "SMRAM high and open": Case(on(byte(MCH, 0x9D, 0x4A), byte(MCH, 0x9E, 0xB8)), shows={0xFEDA0000: "pc.ram"}),
    "TSEG 1M": Case(byte(MCH, 0x9E, 0x39), shows={0x3F00000: "tseg-blackhole", 0x3EFFFFF: "pc.ram"}),
    "TSEG 2M": Case(byte(MCH, 0x9E, 0x3B), shows={0x3E00000: "tseg-blackhole", 0x3DFFFFF: "pc.ram"}),
    "TSEG 8M": Case(byte(MCH, 0x9E, 0x3D), shows={0x3800000: "tseg-blackhole", 0x37FFFFF: "pc.ram"}),
    "TSEG 16M": Case(byte(MCH, 0x9E, 0x3F), shows={0x3000000: "tseg-blackhole", 0x2FFFFFF: "pc.ram"}),
    "TSEG without SMRAM": Case(on(byte(MCH, 0x9D, 0x02), byte(MCH, 0x9E, 0x39)), shows={0x3F00000: "pc.ram"}),
    "TSEG hides the ring": Case(byte(MCH, 0x9E, 0x39), text="inconsistent with Host index 0x1"),
    "TSEG on, then off": Case(on(again(MCH), byte(MCH, 0x9E, 0x39)), shows={0x3F00000: "pc.ram"}),
    "TSEG off, then on": Case(again(MCH, byte(MCH, 0x9E, 0x39)), shows={0x3F00000: "tseg-blackhole"}),
    "SMBASE 2": Case(byte(MCH, 0x9C, 0x02), shows={0x30000: "pc.ram"}),
    "SMBASE ff": Case(byte(MCH, 0x9C, 0xFF), shows={0x30000: "pc.ram"}),
    "SMBASE 1": Case(byte(MCH, 0x9C, 0x01), shows={0x30000: "pc.ram"}),
    "mch twice": Case(again(MCH)),
    # the ISA bridge of q35
    "RCBA moved": Case(dword(LPC, 0xF0, 0xFED20001), shows={0xFED20000: "lpc-rcrb-mmio", 0xFED1C000: None}),
    "RCBA off": Case(dword(LPC, 0xF0, 0xFED1C000), shows={0xFED1C000: None}),
    "RCBA over RAM": Case(dword(LPC, 0xF0, 1), shows={0: "lpc-rcrb-mmio", 0x4000: "pc.ram"}),
    "RCBA over the ioapic": Case(dword(LPC, 0xF0, 0xFEC00001), shows={0xFEC00000: "lpc-rcrb-mmio"}),
    "PMBASE low bits": Case(dword(LPC, 0x40, 0x641), shows={0x600: "acpi-evt"}, space="I/O"),
    "PMBASE high bits": Case(dword(LPC, 0x40, 0x12340601), shows={0x600: "acpi-evt"}, space="I/O"),
    "PMBASE moved": Case(dword(LPC, 0x40, 0xB01), shows={0x600: "io", 0xB00: "acpi-evt"}, space="I/O"),
    "PMBASE 0": Case(dword(LPC, 0x40, 1), shows={0x600: "io"}, space="I/O"),
    "PMBASE over the whole config ports": Case(dword(LPC, 0x40, 0xC81), space="I/O"),
    "ACPI off": Case(byte(LPC, 0x44, 0), shows={0x600: "io"}, space="I/O"),
    "LPC twice": Case(again(LPC), "aborted", _ADD_ASSERTION),
    "LPC twice, RCBA off": Case(on(dword(LPC, 0xF0, 0), again(LPC))),
    "LPC twice, first without RCBA": Case(on(again(LPC), dword(LPC, 0xF0, 0))),
    # the SMBus function of q35
    "SMB host enable off": Case(byte(SMB, 0x40, 0), shows={0x700: "pm-smbus"}, space="I/O"),
    "SMB ports off": Case(word(SMB, 0x04, 0x100), shows={0x700: "io"}, space="I/O"),
    "SMB moved": Case(dword(SMB, 0x20, 0x7C1), shows={0x700: "io", 0x7C0: "pm-smbus"}, space="I/O"),
    # i440fx: PAM at 0x59, SMRAM at 0x72
    "i440fx PAM0 ram": Case(byte("I440FX", 0x59, 0x30), shows={0xF0000: "pc.ram"}, machine=PC),
    "i440fx PAM0 pci": Case(byte("I440FX", 0x59, 0x00), shows={0xF0000: "pc.bios (ro)"}, machine=PC),
    "i440fx PAM6": Case(byte("I440FX", 0x5F, 0x30), shows={0xE8000: "pc.bios (ro)", 0xEC000: "pc.ram"}, machine=PC),
    "i440fx SMRAM open": Case(byte("I440FX", 0x72, 0x4A), shows={0xA0000: "pc.ram"}, machine=PC),
    "i440fx SMRAM off": Case(byte("I440FX", 0x72, 0x02), machine=PC),
    "i440fx SMRAM all ones": Case(byte("I440FX", 0x72, 0xFF), machine=PC),
    "i440fx twice": Case(again("I440FX"), machine=PC),
    "piix4 PM off": Case(byte("piix4_pm", 0x80, 0), shows={0x600: "io"}, space="I/O", machine=PC),
    "piix4 PM moved": Case(dword("piix4_pm", 0x40, 0xB001), shows={0xB000: "acpi-evt"}, space="I/O", machine=PC),
    "piix4 PM at 0": Case(dword("piix4_pm", 0x40, 0x1), space="I/O", machine=PC),
    "piix4 SMBus off": Case(byte("piix4_pm", 0xD2, 0), shows={0x700: "io"}, space="I/O", machine=PC),
    "piix4 SMBus moved": Case(dword("piix4_pm", 0x90, 0x7C1), shows={0x7C0: "pm-smbus"}, space="I/O", machine=PC),
    "piix4 twice": Case(again("piix4_pm"), machine=PC),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
