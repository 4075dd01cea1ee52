"""Trials of a chipset's own bases: where its registers put ranges of memory or ports (pci.md 5.3, 5.4).

Such a base is like a BAR: what goes wrong with it goes wrong where another device answers, at edges, and with its
length. So it is put onto what others take and beside it, enabled, each length in turn. And registers of a byte that
steer the layout are bits that are looked at together: each two of them are turned over.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Final

from fuzz.mutate import bars
from fuzz.mutate.pci import CHIPSET, shadow_registers
from fuzz.mutate.registers import functions, get, put
from fuzz.mutate.sections import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fuzz.mutate.layout import Span
    from fuzz.mutate.registers import Config
    from fuzz.mutate.scene import Scene
    from vmformat import Section

_PAIRS_IN_A_TURN: Final = 8
_SHADOWS: Final = 7
"""Registers of the shadow ranges, which have trials of their own (`shadows`)."""


@dataclass(frozen=True, slots=True)
class Base:
    """A register of `size` bytes that says where a range of `length` bytes is, and the bit that enables it.

    `kept`: bits that are no address; `lengths`: what is written into them instead, in turn, and how long it makes the
    range.
    """

    register: int
    size: int
    length: int
    enable: int
    bit: int
    kept: int
    is_io: bool = False
    lengths: tuple[tuple[int, int], ...] = ()

    def get(self, section: Section, config: Config) -> Span:
        """What it takes now; nothing at 0."""
        return get(section, config, self.register, self.size) & ~self.kept, self.length

    def put(self, config: Config, address: int, code: int | None, section: Section) -> Section | None:
        """The section with its range at an address, enabled."""
        kept = get(section, config, self.register, self.size) & self.kept if code is None else code
        made = put(section, config, self.register, self.size, address & ~self.kept | kept)
        made = put(made, config, self.enable, 1, get(made, config, self.enable, 1) | self.bit)
        return None if made.payload == section.payload else made


BASES: Final[dict[str, tuple[Base, ...]]] = {
    # kind of function: its bases
    "mch": (Base(0x60, 8, 256 << 20, 0x60, 1, 7, lengths=((1, 256 << 20), (5, 64 << 20), (3, 128 << 20))),),
    "ICH9LPC": (Base(0x40, 4, 0x80, 0x44, 0x80, 0x7F, is_io=True), Base(0xF0, 4, 0x4000, 0xF0, 1, 0x3FFF)),
    "piix4_pm": (
        Base(0x40, 4, 0x40, 0x80, 1, 0x3F, is_io=True),
        Base(0x90, 4, 0x40, 0xD2, 1, 0x3F, is_io=True),
    ),
}


def trials_of_bases(
    section: Section, config: Config, scene: Scene, memory: Iterable[Span], ports: Iterable[Span]
) -> Iterator[tuple[int, str, int, Callable[[Section], Section | None]]]:
    """(turn, name, register, what is done); `memory` and `ports`: BARs of all functions. None for other devices."""
    for base in BASES.get(kind_of(section), ()):
        taken = (*_of_chipset(base, scene), *(ports if base.is_io else memory))
        others = [span for span in taken if span != base.get(section, config)]
        lengths = base.lengths or ((None, base.length),)
        length = min(one for _, one in lengths)
        places = (bars.port_places if base.is_io else bars.memory_places)(length, scene.places, others, ())
        now, longest = base.get(section, config)
        shorter = (
            (now + one // 2 * halves, code) for code, one in base.lengths if one < longest for halves in (1, 2, 0)
        )
        spread = ((address, lengths[turn % len(lengths)][0]) for turn, address in enumerate(places))
        for turn, (address, code) in enumerate((*shorter, *spread)):
            name = f"base:{base.register:#x}:{address:#x}:{code or 0}"
            yield turn, name, base.register, partial(base.put, config, address, code)


def pairs_of_bits(kind: str, writable: bytes) -> Iterator[tuple[int, str, int, bytes]]:
    """(turn, name, register, bits to turn over from there on): each two bits of the registers of a byte.

    `kind`: of the function; `writable`: the bits that a guest can set.
    """
    first = shadow_registers(kind)
    shadows = range(first, first + _SHADOWS) if first is not None else ()
    registers = [at for at, size in CHIPSET.get(kind, ()) if size == 1 and at not in shadows]
    bits = [(at, 1 << bit) for at in registers for bit in range(8) if at < len(writable) and writable[at] >> bit & 1]
    for turn, ((at, one), (other, two)) in enumerate(combinations(bits, 2)):
        begins = min(at, other)
        masks = bytearray(max(at, other) + 1 - begins)
        masks[at - begins] |= one
        masks[other - begins] |= two
        yield turn // _PAIRS_IN_A_TURN, f"bits:{at:#x}:{one}:{other:#x}:{two}", begins, bytes(masks)


def _of_chipset(base: Base, scene: Scene) -> Iterator[Span]:
    """What the other bases of the machine take, in all seeds."""
    found: dict[Span, None] = {}
    for donor in scene.donors:
        for _, section, config in functions(donor):
            for other in BASES.get(kind_of(section), ()):
                span = other.get(section, config)
                if other != base and other.is_io == base.is_io and span[0]:
                    found[span] = None
    return iter(found)
