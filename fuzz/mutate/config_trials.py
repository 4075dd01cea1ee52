"""Trials of a PCI function's config space: BARs, windows, bits that a guest can write, bytes that a load compares.

Source: pci.md 1 to 3.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from fuzz.mutate import bars, pokes
from fuzz.mutate.index import INTEGERS
from fuzz.mutate.meaning import ORDER
from fuzz.mutate.pci import CHIPSET
from fuzz.mutate.registers import BARS, COMMAND, ROM_SLOT, Config, config_of, functions, get, header_type, put, rom_of
from fuzz.mutate.shadows import trials_of_shadows
from fuzz.mutate.steering import pairs_of_bits, trials_of_bases
from fuzz.mutate.trial import A_ROUND, ROUND, Trial, in_order, twice
from fuzz.mutate.windows import trials_of_vga, trials_of_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fuzz.mutate.index import Index
    from fuzz.mutate.layout import Span
    from fuzz.mutate.scene import Scene
    from vmformat import Section

_ALL_BITS: Final = 0xFF
_COMPARED: Final = 0.9
_LATER: Final = 4
"""Rounds that bytes of a config space wait that are nobody's register."""
_HEADER: Final = 0x40
"""Bytes of the header of a config space."""
_LAST_BAR: Final = 5
_ALL_PORTS: Final = 1 << 16
_WINDOWS_LATER: Final = 8
"""Windows that a bridge is given behind all others, too."""
_NEIGHBOURS: Final = 8
"""BARs of others that a BAR is put onto and beside."""
_IN_A_ROUND: Final = 3
"""Bits of a register that steers the memory layout that are tried in one round."""

Compared = tuple[int, int]
"""A byte of config space that a load compares: the kind of the space's header, and the offset."""


def trials_of_config(
    own: str, which: int, section: Section, index: Index, config: Config, scene: Scene, met: set[Compared]
) -> Iterator[tuple[int, str, Trial]]:
    """All of them: rank, name, trial. `own`: the kind of section; `which` of its kind it is.

    `met`: what is compared in the config spaces of sections before, to which this section's is added.
    """
    named = frozenset(leaf.offset for leaves in index.places.values() for leaf in leaves if leaf.size in INTEGERS)
    yield from _of_bars(own, section, config, scene)
    yield from _of_windows(own, section, config, scene)
    yield from _of_config(own, section, config, scene, named, met)
    yield from _of_words(own, which, section, config, scene, named)
    yield from _of_steering(own, section, config, scene)
    for turn, label, shown, later in trials_of_shadows(section, config):
        field = label.rpartition(":")[0]
        yield turn * ROUND + ORDER.index("register"), label, Trial(own, field, shown, 0.05, later=later)


def _of_bars(own: str, section: Section, config: Config, scene: Scene) -> Iterator[tuple[int, str, Trial]]:
    """Each BAR in other places, and made to answer there."""
    place = ORDER.index("address")
    sizes = scene.bars.get(section.name.rpartition("/")[0], {})
    values_ = {slot: get(section, config, BARS + 4 * slot, 4) for slot in sizes if slot <= _LAST_BAR}
    for slot, old in values_.items():
        offset, size = BARS + 4 * slot, sizes[slot]
        is_io = bool(old & 1)
        kept = 3 if is_io else 0xF
        theirs = [(value & ~3 & -sizes[other], sizes[other]) for other, value in values_.items() if other != slot]
        mine = [(base, length) for base, length in theirs if base and (base < _ALL_PORTS) == is_io]
        others = [span for span in _others(scene, is_io=is_io) if span[0] != old & -size and span not in mine]
        found = (bars.port_places if is_io else bars.memory_places)(size, scene.places, mine, others)
        for turn, value in enumerate(value for value in found if value != old & -size):
            change = partial(_bar, config, offset, value & ~kept | old & kept)
            label = f"bar:{slot}:{value:#x}"
            yield turn // A_ROUND * ROUND + place, label, Trial(own, f"bar:{slot}", change, 0.05, register=offset)
            yield from in_order(own, (1 + turn // A_ROUND) * ROUND + place, f"bar:{slot}", label, change)
        if old & 7 == 4 and slot < _LAST_BAR:
            for turn, upper in enumerate(bars.UPPER):
                for lower in (old, old & kept, -size & 0xFFFFFFFF | old & kept):
                    change = partial(_wide, config, offset, lower, upper)
                    label = f"bar:{slot}:{upper:#x}:{lower:#x}"
                    yield turn * ROUND + place, label, Trial(own, f"bar:{slot}", change, 0.05, register=offset)
    if ROM_SLOT in sizes:
        yield from _of_rom(own, section, config, scene, sizes[ROM_SLOT])


def _of_rom(own: str, section: Section, config: Config, scene: Scene, size: int) -> Iterator[tuple[int, str, Trial]]:
    """The expansion ROM in other places, switched on, where memory is decoded and once where it is not."""
    offset, place = rom_of(section, config), ORDER.index("address")
    found = bars.memory_places(size, scene.places, (), _others(scene, is_io=False))
    for turn, value in enumerate(found):
        change = partial(_bar, config, offset, value | 1)
        trial = Trial(own, f"bar:{ROM_SLOT}", change, 0.05, register=offset)
        yield turn // A_ROUND * ROUND + place, f"bar:{ROM_SLOT}:{value:#x}", trial
    for value in found[:A_ROUND]:
        blind = Trial(own, f"blind:{ROM_SLOT}", partial(_blind, config, offset, value | 1), 0.05, register=offset)
        yield ROUND + place, f"blind:{ROM_SLOT}:{value:#x}", blind


def _blind(config: Config, offset: int, value: int, section: Section) -> Section | None:
    made = _bar(config, offset, value, section)
    return None if made is None else put(made, config, COMMAND, 1, get(made, config, COMMAND, 1) & ~2)


def _of_windows(own: str, section: Section, config: Config, scene: Scene) -> Iterator[tuple[int, str, Trial]]:
    """A bridge's windows elsewhere, and some of them once everything behind the bridge is loaded."""
    place = ORDER.index("address")
    for turn, label, register, change in trials_of_windows(section, config, scene):
        field, rank = label.rpartition(":")[0].rpartition(":")[0], turn // A_ROUND * ROUND + place
        yield rank, label, Trial(own, field, change, 0.05, register=register)
        if turn < _WINDOWS_LATER:
            again = Trial(own, f"later:{field}", partial(twice, change), 0.05, later=True)
            yield rank + ROUND, f"later:{label}", again
    for turn, label, register, change in trials_of_vga(section, config):
        yield (1 + turn // A_ROUND) * ROUND + place, label, Trial(own, "window:vga", change, 0.05, register=register)


def _others(scene: Scene, *, is_io: bool) -> list[Span]:
    """The BARs of all functions in all seeds: of ports, or of memory."""
    found: dict[Span, None] = {}
    for donor in scene.donors:
        for _, section, config in functions(donor):
            for slot, size in scene.bars.get(section.name.rpartition("/")[0], {}).items():
                value = get(section, config, BARS + 4 * slot, 4) if slot <= _LAST_BAR else 0
                if value & -size and bool(value & 1) is is_io:
                    found[value & -size, size] = None
    return list(found)[:_NEIGHBOURS]


def _bar(config: Config, offset: int, value: int, section: Section) -> Section | None:
    if config_of(section) != config:
        return None
    return put(put(section, config, offset, 4, value), config, COMMAND, 1, get(section, config, COMMAND, 1) | 7)


def _wide(config: Config, offset: int, lower: int, upper: int, section: Section) -> Section | None:
    made = _bar(config, offset, lower, section)
    return None if made is None else put(made, config, offset + 4, 4, upper)


def _of_config(
    own: str, section: Section, config: Config, scene: Scene, named: frozenset[int], met: set[Compared]
) -> Iterator[tuple[int, str, Trial]]:
    """Bits of a PCI function's config space, byte by byte; `named` are offsets where a register begins.

    What is compared, the same code compares for all: of the first function with such a header it is tried early.
    """
    start, header = config.offset, header_type(section, config)
    writable, compared = scene.masks.get(section.name.rpartition("/")[0], (b"", b""))
    place = ORDER.index("register")
    steering = {at + i for at, size in CHIPSET.get(own, ()) for i in range(size)}
    known = True
    for offset in range(min(config.size, len(section.payload) - start)):
        can = writable[offset] if offset < len(writable) else 0
        known = start + offset in named or 0 < can < _ALL_BITS or (known and offset % 4 != 0)
        must = compared[offset] if offset < len(compared) else 0
        if not known and can == _ALL_BITS and offset % 4:
            continue  # went with the first byte of its four
        if not known and can == _ALL_BITS:
            run = bytes(writable[offset : offset + 4])
            flip = Trial(own, f"config:{offset}", pokes.flipping(start + offset, run), 0.05, register=offset)
            yield _LATER * ROUND + place, f"config:{offset}:{run.hex()}", flip
            continue
        bits = [1 << bit for bit in range(8) if can >> bit & 1] if known else []
        together = _IN_A_ROUND if offset in steering else 1
        for turn, mask in enumerate(dict.fromkeys((*([can] if len(bits) != 1 and can else ()), *bits))):
            flip = Trial(own, f"config:{offset}", pokes.flipping(start + offset, bytes([mask])), 0.05, register=offset)
            yield (turn // together if known else _LATER) * ROUND + place, f"config:{offset}:{mask}", flip
        fixed = must & ~can
        if fixed:
            is_new, in_header = (header, offset) not in met, offset < _HEADER
            begins = offset and not compared[offset - 1] & ~writable[offset - 1]
            opens = (header, _HEADER) not in met
            met |= {(header, offset)} if in_header else {(header, offset), (header, _HEADER)}
            later = (0 if in_header or opens else 1 if begins else 2) + (not is_new)
            label, lowest, highest = f"compared:{offset}", fixed & -fixed, 1 << fixed.bit_length() - 1
            for turn, mask in enumerate(dict.fromkeys((lowest, highest))):
                rank = (later + (1 if is_new and in_header else _LATER) * turn) * ROUND + place
                change = pokes.flipping(start + offset, bytes([mask]))
                yield rank, f"{label}:{mask}", Trial(own, label, change, _COMPARED)
        rest = 0xFF & ~(can | must)
        label = f"rest:{offset}"
        for turn, mask in enumerate(dict.fromkeys((rest, rest & -rest)) if rest else ()):
            later = (2 + turn) * ROUND + place
            yield (
                later,
                f"{label}:{mask}",
                Trial(own, label, pokes.flipping(start + offset, bytes([mask])), 0.05, register=offset),
            )


def _of_words(
    own: str, which: int, section: Section, config: Config, scene: Scene, named: frozenset[int]
) -> Iterator[tuple[int, str, Trial]]:
    """Registers that stand in one word of four bytes together: all bits that a guest can set, or none of them.

    Also as a second load behind all others: what devices made of memory by then, changes under them.
    """
    start, place = config.offset, ORDER.index("register")
    writable, _ = scene.masks.get(section.name.rpartition("/")[0], (b"", b""))
    for offset in range(0, min(config.size, len(writable), len(section.payload) - start) - 3, 4):
        masks = bytes(writable[offset : offset + 4])
        if not any(masks) or not any(start + offset + i in named or 0 < masks[i] < _ALL_BITS for i in range(4)):
            continue
        for turn, ones in enumerate((True, False)):
            what = "ones" if ones else "zeros"
            label, change = f"{what}:{offset}", pokes.all_bits(start + offset, masks, ones=ones)
            yield (1 + turn) * ROUND + place, label, Trial(own, label, change, 0.05, register=offset)
            yield from in_order(own, (1 + turn) * ROUND + place, label, label, change, which)
    for bit in (1, 2, 4):
        yield from in_order(own, place, "4", str(bit), pokes.flipping(start + COMMAND, bytes([bit])), which)


def _of_steering(own: str, section: Section, config: Config, scene: Scene) -> Iterator[tuple[int, str, Trial]]:
    """All registers together that steer the memory layout: what one of them moves, another one hides.

    And bases where others are, and bits by twos.
    """
    if own not in CHIPSET:
        return
    memory, ports = (_others(scene, is_io=is_io) for is_io in (False, True))
    for turn, label, register, change in trials_of_bases(section, config, scene, memory, ports):
        place, field = turn // A_ROUND * ROUND + ORDER.index("address"), label.rpartition(":")[0]
        yield place, label, Trial(own, field, change, 0.05, register=register)
    writable, _ = scene.masks.get(section.name.rpartition("/")[0], (b"", b""))
    for turn, label, register, masks in pairs_of_bits(own, writable):
        flip = pokes.flipping(config.offset + register, masks)
        place = (1 + turn) * ROUND + ORDER.index("register")
        yield place, label, Trial(own, f"bits:{register}", flip, 0.05, register=register)
    rank = ROUND + ORDER.index("register")
    for byte in (0, 0xFF):
        label, change = f"steering:{byte}", partial(_steered, config, CHIPSET[own], byte)
        yield rank, label, Trial(own, "steering", change, 0.05, register=CHIPSET[own][0][0])
        yield from in_order(own, rank, "steering", label, change)


def _steered(config: Config, registers: Iterable[tuple[int, int]], byte: int, section: Section) -> Section:
    made = section
    for offset, size in registers:
        made = put(made, config, offset, size, int.from_bytes(bytes([byte]) * size, "little"))
    return made
