"""What registers of an x86 CPU, clocks, addresses and names of the machine say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from vmformat.render.meaning.bits import bits

if TYPE_CHECKING:
    from collections.abc import Mapping

REGISTERS: Final = (
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
)  # fmt: skip
"""General registers in the order of `env.regs`."""

SEGMENTS: Final = ("ES", "CS", "SS", "DS", "FS", "GS")
"""Segment registers in the order of `env.segs`."""

_EFLAGS: Final = {
    0: "CF",
    2: "PF",
    4: "AF",
    6: "ZF",
    7: "SF",
    8: "TF",
    9: "IF",
    10: "DF",
    11: "OF",
    12: "IOPL.0",
    13: "IOPL.1",
    14: "NT",
    16: "RF",
    17: "VM",
    18: "AC",
    19: "VIF",
    20: "VIP",
    21: "ID",
}
_ALWAYS: Final = 1 << 1
"""The bit of the flags that is always set."""

_CR0: Final = {
    0: "PE",
    1: "MP",
    2: "EM",
    3: "TS",
    4: "ET",
    5: "NE",
    16: "WP",
    18: "AM",
    29: "NW",
    30: "CD",
    31: "PG",
}
_CR4: Final = {
    0: "VME",
    1: "PVI",
    2: "TSD",
    3: "DE",
    4: "PSE",
    5: "PAE",
    6: "MCE",
    7: "PGE",
    8: "PCE",
    9: "OSFXSR",
    10: "OSXMMEXCPT",
    11: "UMIP",
    12: "LA57",
    13: "VMXE",
    14: "SMXE",
    16: "FSGSBASE",
    17: "PCIDE",
    18: "OSXSAVE",
    20: "SMEP",
    21: "SMAP",
    22: "PKE",
    23: "CET",
    24: "PKS",
}
_EFER: Final = {0: "SCE", 8: "LME", 10: "LMA", 11: "NXE", 12: "SVME", 13: "LMSLE", 14: "FFXSR", 15: "TCE"}
_APIC_BASE: Final = {8: "BSP", 10: "x2APIC", 11: "enabled"}

_CPU: Final[Mapping[str, Mapping[int, str]]] = {
    "env.eflags": _EFLAGS,
    "env.cr[0]": _CR0,
    "env.cr[4]": _CR4,
    "env.efer": _EFER,
}

_NEVER: Final = frozenset({(1 << 63) - 1, -1, (1 << 64) - 1})


def cpu_register(path: str, value: int) -> str:
    """A control register of an x86 CPU, "" if it is none."""
    names = _CPU.get(path)
    if names is _EFLAGS:
        value &= ~_ALWAYS
    return "" if names is None else bits(value, names)


def apic_base(value: int) -> str:
    """The APIC's base register."""
    return f"at {value & ~0xFFF:#x}, {bits(value & 0xD00, _APIC_BASE)}"


def registers(values: tuple[int, ...]) -> str:
    """The general registers by name, those that are 0 left out."""
    named = zip(REGISTERS, values, strict=False)
    return ", ".join(f"{name} {value & (1 << 64) - 1:#x}" for name, value in named if value)


def mac(raw: bytes) -> str:
    """A MAC address."""
    return raw.hex(":")


def uuid(raw: bytes) -> str:
    """A UUID."""
    return str(UUID(bytes=raw))


def timer(value: int) -> str:
    """A time in nanoseconds at which a timer fires."""
    return "not pending" if value in _NEVER else seconds(value)


def seconds(nanoseconds: int) -> str:
    """A time in nanoseconds as seconds."""
    return f"{nanoseconds / 1e9:.9g} s" if nanoseconds else ""
