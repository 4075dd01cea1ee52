"""Trials of the shadow ranges, which a chipset shows as ROM, as RAM, or as RAM that is read alone (pci.md 5.2).

Thirteen ranges lie side by side, and what two neighbours show is joined where it is the same. So a range is tried as it
is not around it, all ranges in turn are tried so; and loaded once more it is something else in the same bounds, which
nothing else in the layout tells from what was there.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from fuzz.mutate.pci import shadow_registers
from fuzz.mutate.registers import put
from fuzz.mutate.sections import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fuzz.mutate.registers import Config
    from vmformat import Section

_RANGES: Final = 13
_BUS, _READ, _WRITE, _RAM = range(4)
"""What a range may be: what lies on the bus, RAM that is read, that is written, both."""
_ALONE: Final = (4, 0, 12, 9)
"""Ranges that are tried by themselves: one among others, 0xf0000, as long as four, the last, one of the BIOS."""
_ALL: Final = ((_RAM, _RAM), (_READ, _READ), (_RAM, _READ), (_READ, _RAM), (_BUS, _RAM), (_RAM, _BUS), (_BUS, _READ))
"""Ranges in turn: those of even number, those of odd."""
_CHANGES: Final = (
    (_READ, _RAM), (_BUS, _READ), (_RAM, _READ), (_READ, _BUS),
    (_RAM, _BUS), (_BUS, _RAM), (_RAM, _WRITE), (_WRITE, _RAM),
)  # fmt: skip


def trials_of_shadows(
    section: Section, config: Config
) -> Iterator[tuple[int, str, Callable[[Section], Section | tuple[Section, ...] | None], bool]]:
    """(place in order, name, what is done, whether the device is loaded once more); none without ranges."""
    first = shadow_registers(kind_of(section))
    if first is None:
        return
    for turn, (even, odd) in enumerate(_ALL):
        yield turn // 2, f"shadows:{even}{odd}", partial(_put, config, first, (even, odd) * 7), False
    for turn, (before, after) in enumerate(_CHANGES):
        for one in _ALONE:
            around = _BUS if _BUS not in {before, after} else _RAM if _RAM not in {before, after} else _READ
            old, new = ([shown if at == one else around for at in range(_RANGES)] for shown in (before, after))
            yield turn, f"shadow:{one}:{before}{after}", partial(_both, config, first, old, new), True


def uncovered(section: Section, config: Config) -> Section | None:
    """A host bridge all of whose ranges show what lies on the bus; None for another device."""
    first = shadow_registers(kind_of(section))
    return None if first is None else _put(config, first, [_BUS] * _RANGES, section)


def _put(config: Config, first: int, shown: Sequence[int], section: Section) -> Section | None:
    """The registers that show the ranges so. The first one's lower half is of none."""
    made = section
    for at in range(_RANGES):
        offset, shift = first + (at + 1) // 2, 0 if at % 2 else 4
        value = int.from_bytes(made.payload[config.offset + offset :][:1], "little")
        made = put(made, config, offset, 1, value & ~(3 << shift) | shown[at] << shift)
    return None if made.payload == section.payload else made


def _both(
    config: Config, first: int, before: Sequence[int], after: Sequence[int], section: Section
) -> tuple[Section, Section] | None:
    one = _put(config, first, before, section) or section
    other = _put(config, first, after, one)
    return None if other is None else (one, other)
