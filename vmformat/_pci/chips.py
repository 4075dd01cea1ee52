"""Registers that a chip has of its own, outside of capabilities: by vendor and device id, or by class.

Names are those of the makers' data sheets, in lower case: Intel 82441FX (290549), 82371FB/SB (290550), 82371AB
(290562), Q35 and ICH9 (316966, 316972), ICH6; Silicon Image CMD646U2; DEC 21143; of USB controllers those of the UHCI,
EHCI and xHCI specifications. Where QEMU keeps something of its own in a place that the chip leaves free, that stands
here too (facts: pci.md 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmformat._pci.header import Register


def _row(at: int, size: int, *names: str) -> tuple[Register, ...]:
    return tuple((at + size * i, size, name) for i, name in enumerate(names))


_PAM: Final = ("pam0", "pam1", "pam2", "pam3", "pam4", "pam5", "pam6")

_I440FX: Final[tuple[Register, ...]] = (
    (0x50, 2, "pmccfg"),
    *_row(0x52, 1, "deturbo", "dbc", "axc"),
    (0x55, 2, "dramr"),
    *_row(0x57, 1, "dramc", "dramt", *_PAM),
    *_row(0x60, 1, *(f"drb{i}" for i in range(8)), "fdhc"),
    *_row(0x70, 1, "mtt", "clt", "smram"),
    *_row(0x90, 1, "errcmd", "errsts0", "errsts1", "trc"),
)

_MCH: Final[tuple[Register, ...]] = (
    *_row(0x40, 8, "epbar", "mchbar"),
    *_row(0x50, 2, "ext_tseg_mbytes", "ggc"),
    (0x54, 4, "deven"),
    *_row(0x60, 8, "pciexbar", "dmibar"),
    *_row(0x90, 1, *_PAM, "lac"),
    *_row(0x98, 2, "remapbase", "remaplimit"),
    *_row(0x9C, 1, "smbase", "smram", "esmramc"),
    *_row(0xA0, 2, "tom", "touud"),
    *_row(0xA4, 4, "gbsm", "bgsm", "tsegmb"),
    (0xB0, 2, "tolud"),
    *_row(0xC8, 2, "errsts", "errcmd", "smicmd", "scicmd"),
    (0xDC, 4, "skpd"),
)

_PIRQ: Final = ("pirqrca", "pirqrcb", "pirqrcc", "pirqrcd")

_PIIX_ISA: Final[tuple[Register, ...]] = (
    (0x4C, 1, "iort"),
    (0x4E, 2, "xbcs"),
    *_row(0x60, 1, *_PIRQ, "serirqc"),
    (0x69, 1, "tom"),
    (0x6A, 2, "mstat"),
    *_row(0x70, 1, "mbirq0", "mbirq1"),
    *_row(0x76, 1, "mbdma0", "mbdma1"),
    (0x78, 2, "pcsc"),
    (0x80, 1, "apicbase"),
    (0x82, 1, "dlc"),
    (0x90, 2, "pdmacfg"),
    *_row(0x92, 1, *(f"ddmabp{i}" for i in range(4))),
    (0xA0, 1, "smicntl"),
    (0xA2, 2, "smien"),
    (0xA4, 4, "see"),
    (0xA8, 1, "ftmr"),
    (0xAA, 2, "smireq"),
    (0xAC, 1, "ctltmr"),
    (0xAE, 1, "cthtmr"),
    (0xB0, 4, "gencfg"),
    (0xCB, 1, "rtccfg"),
)

_PIIX_IDE: Final[tuple[Register, ...]] = (
    *_row(0x40, 2, "idetim_primary", "idetim_secondary"),
    (0x44, 1, "sidetim"),
    (0x48, 1, "udmactl"),
    (0x4A, 2, "udmatim"),
    (0x54, 2, "ideconfig"),
)

_PIIX4_PM: Final[tuple[Register, ...]] = (
    *_row(0x40, 4, "pmba", "cnta", "cntb", "gpictl", "devresd", "devacta", "devactb", "devresa", "devresb"),
    *_row(0x64, 4, "devresc", "devrese", "devresf", "devresg", "devresh", "devresi", "devresj"),
    (0x80, 1, "pmregmisc"),
    (0x90, 4, "smbba"),
    *_row(0xD2, 1, "smbhstcfg", "smbslvc", "smbshdw1", "smbshdw2", "smbrev"),
)

_ICH9_LPC: Final[tuple[Register, ...]] = (
    (0x40, 4, "pmbase"),
    (0x44, 1, "acpi_cntl"),
    (0x48, 4, "gpiobase"),
    (0x4C, 1, "gc"),
    *_row(0x60, 1, "pirqa_rout", "pirqb_rout", "pirqc_rout", "pirqd_rout", "sirq_cntl"),
    *_row(0x68, 1, "pirqe_rout", "pirqf_rout", "pirqg_rout", "pirqh_rout"),
    (0x6C, 2, "lpc_ibdf"),
    *_row(0x70, 2, *(f"lpc_hpet{i}bdf" for i in range(4))),
    *_row(0x80, 2, "lpc_io_dec", "lpc_en"),
    *_row(0x84, 4, "gen1_dec", "gen2_dec", "gen3_dec", "gen4_dec"),
    (0xA0, 2, "gen_pmcon_1"),
    (0xA2, 1, "gen_pmcon_2"),
    (0xA4, 1, "gen_pmcon_3"),
    (0xA6, 1, "gen_pmcon_lock"),
    *_row(0xA9, 1, "cx_state_cnf", "c4_timing_cnt", "bm_break_en"),
    (0xAC, 4, "pmir"),
    (0xB8, 4, "gpi_rout"),
    (0xD0, 4, "fwh_sel1"),
    (0xD4, 2, "fwh_sel2"),
    (0xD8, 2, "fwh_dec_en1"),
    (0xDC, 1, "bios_cntl"),
    *_row(0xE0, 1, "fdcap", "fdcap_next", "fdlen", "fdver"),
    *_row(0xE4, 4, "fvecidx", "fvecd"),
    (0xF0, 4, "rcba"),
)

_ICH_SATA: Final[tuple[Register, ...]] = (
    *_row(0x40, 2, "idetim_primary", "idetim_secondary"),
    (0x44, 1, "sidetim"),
    (0x48, 1, "sdma_cnt"),
    (0x4A, 2, "sdma_tim"),
    (0x54, 4, "ide_config"),
    (0x90, 1, "map"),
    (0x92, 2, "pcs"),
    *_row(0x94, 4, "sclkcg", "sclkgc", "siri", "strd"),
    *_row(0xC0, 1, "atc"),
    (0xC4, 1, "ats"),
    (0xD0, 4, "sp"),
    *_row(0xE0, 4, "bfcs", "bftd1", "bftd2"),
)

_SMBUS: Final[tuple[Register, ...]] = ((0x40, 1, "hostc"),)

_ICH_HDA: Final[tuple[Register, ...]] = (
    (0x40, 1, "hdctl"),
    (0x44, 1, "tcsel"),
    *_row(0x4C, 1, "dckctl", "dcksts"),
)

_CMD646: Final[tuple[Register, ...]] = (
    *_row(0x50, 1, "cfr", "cntrl", "cmdtim", "arttim0", "drwtim0", "arttim1", "drwtim1", "arttim23", "drwtim2", "brst"),
    (0x5B, 1, "drwtim3"),
    *_row(0x70, 1, "bmidecr0", "mrdmode", "bmidesr0", "udidetcr0"),
    (0x74, 4, "dtpr0"),
    *_row(0x78, 1, "bmidecr1", "bmidecsr", "bmidesr1", "udidetcr1"),
    (0x7C, 4, "dtpr1"),
)

_I6300ESB: Final[tuple[Register, ...]] = ((0x60, 2, "wdt_config"), (0x68, 1, "wdt_lock"))

_DEC21143: Final[tuple[Register, ...]] = ((0x40, 4, "cfdd"),)

_AC97: Final[tuple[Register, ...]] = ((0x40, 1, "pcid"), (0x41, 1, "cfg"))

_INTEL: Final = 0x8086

CHIPS: Final[Mapping[tuple[int, int], tuple[Register, ...]]] = {
    (_INTEL, 0x1237): _I440FX,
    (_INTEL, 0x29C0): _MCH,
    (_INTEL, 0x122E): _PIIX_ISA,
    (_INTEL, 0x7000): _PIIX_ISA,
    (_INTEL, 0x7110): _PIIX_ISA,
    (_INTEL, 0x1230): _PIIX_IDE,
    (_INTEL, 0x7010): _PIIX_IDE,
    (_INTEL, 0x7111): _PIIX_IDE,
    (_INTEL, 0x7113): _PIIX4_PM,
    (_INTEL, 0x2918): _ICH9_LPC,
    (_INTEL, 0x2922): _ICH_SATA,
    (_INTEL, 0x2930): _SMBUS,
    (_INTEL, 0x2668): _ICH_HDA,
    (_INTEL, 0x293E): _ICH_HDA,
    (_INTEL, 0x2415): _AC97,
    (_INTEL, 0x25AB): _I6300ESB,
    (0x1095, 0x0646): _CMD646,
    (0x1011, 0x0019): _DEC21143,
}
"""By vendor and device id."""

_UHCI: Final[tuple[Register, ...]] = (
    (0x60, 1, "sbrn"),
    (0x6A, 2, "mstat"),
    (0xC0, 2, "legsup"),
    (0xC4, 1, "res"),
    (0xC8, 1, "cwp"),
)
_EHCI: Final[tuple[Register, ...]] = (
    *_row(0x60, 1, "sbrn", "fladj"),
    (0x62, 2, "portwakecap"),
    *_row(0x64, 2, *(f"port_route{i}" for i in range(2))),
    *_row(0x68, 4, "legsup", "legctlsts", "special_smi"),
    (0x80, 1, "access_cntl"),
)
_XHCI: Final[tuple[Register, ...]] = (*_row(0x60, 1, "sbrn", "fladj", "dbesl"),)
_SDHCI: Final[tuple[Register, ...]] = ((0x40, 1, "slot_information"),)

CLASSES: Final[Mapping[tuple[int, int], tuple[Register, ...]]] = {
    (0x0C03, 0x00): _UHCI,
    (0x0C03, 0x20): _EHCI,
    (0x0C03, 0x30): _XHCI,
    (0x0805, 0x00): _SDHCI,
    (0x0805, 0x01): _SDHCI,
}
"""By class and programming interface, where the class's own specification gives registers a place."""
