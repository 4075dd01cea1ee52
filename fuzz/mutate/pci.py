"""Mutations of PCI configuration space: what moves BARs, windows, bus masters and the chipset's switches.

Only bits that a guest can write are altered most of the time: a changed fixed bit is refused before anything is
mapped. Registers: pci.md 1 to 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.mutate import layout
from fuzz.mutate.registers import BARS, COMMAND, HEADER, Config, functions, get, put, rom_of
from fuzz.mutate.sections import kind_of, replace_record

if TYPE_CHECKING:
    from fuzz.mutate.dice import Dice
    from fuzz.mutate.scene import Arm, Scene
    from vmformat import Section, Stream

_SLOT_CONTROL: Final = 0x6D
_WINDOWS: Final = (0x1C, 0x1D, 0x20, 0x22, 0x24, 0x26, 0x28, 0x2C, 0x30, 0x32, 0x3E)
CHIPSET: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    # vmsd name: (offset, bytes)
    "mch": (*((0x90 + i, 1) for i in range(7)), (0x60, 8), (0x9D, 1), (0x9E, 1), (0x9C, 1)),
    "I440FX": (*((0x59 + i, 1) for i in range(7)), (0x72, 1)),
    "ICH9LPC": ((0x40, 4), (0x44, 1), (0xF0, 4)),
    "piix4_pm": ((0x40, 4), (0x80, 1), (0x90, 4), (0xD2, 1)),
}
"""Registers that steer the memory layout, of the kinds of functions that have any."""
_PAM_BYTES: Final = (0x00, 0x11, 0x22, 0x33, 0x30, 0x03, 0x10, 0x01, 0x13, 0x31)


def command(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Turn I/O, memory or bus mastering of a function on or off."""
    found = functions(stream)
    if not found:
        return None
    at, section, leaf = dice.pick(found)
    bits = dice.pick((1, 2, 4, 4, 6, 7))
    return replace_record(stream, at, put(section, leaf, COMMAND, 2, get(section, leaf, COMMAND, 2) ^ bits))


def _moved(stream: Stream, dice: Dice, scene: Scene, old: int) -> int:
    """Another value for a BAR: its address elsewhere, its kind as before."""
    if dice.chance(8):
        return dice.pick((0xFFFFFFFF, 0)) & ~0xF | old & 0xF
    if old & 1:
        return dice.pick((0, 0xC000, 0xC040, 0xFFC0, 0xFFE0, 0xCF8, 0x600, 0xB000 + 0x40 * dice.below(64))) | 1
    address = layout.address(stream, dice, scene)
    return address & ~(dice.pick((0x1000, 0x4000, 0x100000)) - 1) | old & 0xF


def bar(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """Move a BAR: over RAM, under the switched area, onto another BAR, away."""
    found = functions(stream)
    if not found:
        return None
    at, section, leaf = dice.pick(found)
    slots = tuple(scene.bars.get(section.name.rpartition("/")[0], ())) or range(6)
    slot = dice.pick(slots) if not dice.chance(16) else dice.below(7)
    if slot > 5:
        offset = rom_of(section, leaf)
        address = layout.address(stream, dice, scene)
        value = dice.pick((address & ~0x7FF | 1, address & ~0x7FF, get(section, leaf, offset, 4) ^ 1, 0xFFFFFFFF))
    else:
        offset = BARS + 4 * slot
        value = _moved(stream, dice, scene, get(section, leaf, offset, 4))
        if value & 7 == 4 and slot < 5 and dice.chance(4):
            section = put(section, leaf, offset + 4, 4, dice.pick((0, 1, 0x80, 0xFFFFFFFF)))
    section = put(section, leaf, offset, 4, value)
    if dice.chance(3):
        section = put(section, leaf, COMMAND, 2, get(section, leaf, COMMAND, 2) | 3)
    return replace_record(stream, at, section)


def power(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Switch the power of a slot: what is plugged in loses its BARs and is reset, if it has loaded before."""
    ports = [entry for entry in functions(stream) if _has_slot(entry[1], entry[2])]
    if not ports:
        return None
    at, section, leaf = dice.pick(ports)
    return replace_record(stream, at, _switched(section, leaf))


def _has_slot(section: Section, leaf: Config) -> bool:
    return leaf.size > 256 and section.name.endswith("pcie-root-port")


def _switched(section: Section, leaf: Config) -> Section:
    """Slot control, power controller control."""
    return put(section, leaf, _SLOT_CONTROL, 1, get(section, leaf, _SLOT_CONTROL, 1) ^ 4)


def window(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """Alter a bridge's windows: base, limit, the VGA bit; or a root port's slot power."""
    found = [entry for entry in functions(stream) if get(entry[1], entry[2], HEADER, 1) & 0x7F == 1]
    if not found:
        return None
    at, section, leaf = dice.pick(found)
    offset = dice.pick(_WINDOWS)
    way = dice.below(4)
    if way == 0:
        base = layout.address(stream, dice, scene) >> 16 & 0xFFF0
        first = dice.pick((0x20, 0x24))
        low = get(section, leaf, first, 2) & 0xF
        section = put(section, leaf, first, 2, base | low)
        section = put(section, leaf, first + 2, 2, (base + 0x10 * dice.low(64) & 0xFFF0) | low)
    elif way == 1 and _has_slot(section, leaf):
        section = _switched(section, leaf)
    elif offset in {0x1C, 0x1D}:
        section = put(section, leaf, offset, 1, get(section, leaf, offset, 1) ^ (0x10 << dice.below(4)))
    elif offset == 0x3E:
        section = put(section, leaf, offset, 2, get(section, leaf, offset, 2) ^ dice.pick((8, 4, 0xC)))
    elif offset in {0x28, 0x2C}:
        section = put(section, leaf, offset, 4, dice.pick((0, 1, 0x80, 0xFFFFFFFF)))
    else:
        section = put(section, leaf, offset, 2, get(section, leaf, offset, 2) ^ (0x10 << dice.below(12)))
    return replace_record(stream, at, section)


def chipset(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """Alter the chipset's switches: PAM, SMRAM, PCIEXBAR, PMBASE, RCBA, SMBus."""
    found = [entry for entry in functions(stream) if kind_of(entry[1]) in CHIPSET]
    if not found:
        return None
    at, section, leaf = dice.pick(found)
    name = kind_of(section)
    for _ in range(dice.few(4)):
        offset, size = dice.pick(CHIPSET[name])
        old = get(section, leaf, offset, size)
        if size == 8:
            value = (
                layout.address(stream, dice, scene) & 0xFFFFFC000000 | dice.below(8)
                if dice.chance(2)
                else old ^ dice.pick((1, 2, 4, 6))
            )
        elif size == 4:
            value = (
                old ^ (1 << dice.below(16))
                if dice.chance(2)
                else dice.pick((0, 1, 0x601, 0xB001, 0xFED1C001, 0xFEC00001))
            )
        elif name in {"mch", "I440FX"} and offset not in {0x72, 0x9C, 0x9D, 0x9E}:
            value = dice.pick(_PAM_BYTES)
        else:
            value = old ^ (1 << dice.below(8))
        section = put(section, leaf, offset, size, value)
    return replace_record(stream, at, section)


def shadow_registers(kind: str) -> int | None:
    """Where a host bridge has the registers of the shadow ranges; None for another device."""
    return {"mch": 0x90, "I440FX": 0x59}.get(kind)


def pam(stream: Stream, dice: Dice, address: int) -> Stream:
    """Switch the segment that holds this address, 0xc0000 to 0xfffff: to RAM most of the time (pci.md 5.2)."""
    for at, section, leaf in functions(stream):
        first = shadow_registers(kind_of(section))
        if first is not None:
            segment = 0 if address >= 0xF0000 else 1 + (address - 0xC0000 >> 14)
            offset = first + (segment + 1) // 2
            shift = 0 if segment % 2 else 4
            attribute = dice.pick((3, 3, 3, 1, 2, 0))
            value = get(section, leaf, offset, 1) & ~(3 << shift) | attribute << shift
            return replace_record(stream, at, put(section, leaf, offset, 1, value))
    return stream


def config(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Flip a bit anywhere in a config space, the header likelier: this tries the check itself."""
    found = functions(stream)
    if not found:
        return None
    at, section, leaf = dice.pick(found)
    offset = dice.low(leaf.size)
    return replace_record(
        stream, at, put(section, leaf, offset, 1, get(section, leaf, offset, 1) ^ (1 << dice.below(8)))
    )


ARMS: dict[str, tuple[Arm, int]] = {
    "pci-command": (command, 4),
    "pci-bar": (bar, 4),
    "pci-window": (window, 4),
    "chipset": (chipset, 6),
    "pci-config": (config, 1),
}
"""Arms of this file with their weights."""
