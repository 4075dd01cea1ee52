"""Where a bridge's windows are worth opening: both ends at once, by what lies behind the bridge and beside it.

A base says nothing without its limit: one register at a time moves one edge, and mostly closes the window. Windows go
wrong with one granule, with none, with all there is, where an edge cuts a BAR behind the bridge, and where two overlap.

Source: pci.md 3.2 (registers and granules).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from fuzz.mutate.registers import BARS, BRIDGE, COMMAND, config_of, functions, get, header_type, put

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fuzz.mutate.layout import Span
    from fuzz.mutate.registers import Config
    from fuzz.mutate.scene import Scene
    from fuzz.mutate.trial import Change
    from vmformat import Section

_WIDE: Final = 4
_CONTROL: Final = 0x3E
_VGA: Final = 0x08
_COMMANDS: Final = (2, 1, 7, 4, 3)
"""What a bridge decodes besides: memory, ports, both or neither, as a bus master or not."""
_LAST_BAR: Final = 5
_MOST_BEHIND: Final = 3
"""BARs behind a bridge that edges are put at, and windows of others."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window's registers: where base and limit are, bytes of each, and which address bits they hold.

    `upper`: where upper halves are, 0 for none, and bytes of each.
    """

    name: str
    base: int
    limit: int
    size: int
    shift: int
    granule: int
    end: int
    upper: tuple[int, int] = (0, 0)
    upper_size: int = 0

    def get(self, section: Section, config: Config) -> Span:
        """Base, and where the last granule begins, as the registers say."""
        found = []
        for register, upper in zip((self.base, self.limit), self.upper, strict=True):
            value = get(section, config, register, self.size)
            address = (value & ~0xF) << self.shift
            if self.upper_size and value & 0xF == 1:
                address |= get(section, config, upper, self.upper_size) << 8 * self.size + self.shift
            found.append(address)
        return found[0], found[1]

    def put(self, base: int, last: int, section: Section) -> Section | None:
        """The bridge with this window from `base` to the end of the granule at `last`; None if it has none."""
        config = config_of(section)
        if config is None or header_type(section, config) != BRIDGE:
            return None
        made = put(section, config, COMMAND, 1, get(section, config, COMMAND, 1) | 7)
        for register, upper, address in zip((self.base, self.limit), self.upper, (base, last), strict=True):
            kind = get(section, config, register, self.size) & 0xF
            made = put(made, config, register, self.size, address >> self.shift & ~0xF | kind)
            if self.upper_size and kind == 1:
                made = put(made, config, upper, self.upper_size, address >> 8 * self.size + self.shift)
        return None if made.payload == section.payload else made


PORTS: Final = Window("io", 0x1C, 0x1D, 1, 8, 0x1000, 1 << 16, (0x30, 0x32), 2)
MEMORY: Final = Window("memory", 0x20, 0x22, 2, 16, 1 << 20, 1 << 32)
PREFETCH: Final = Window("prefetch", 0x24, 0x26, 2, 16, 1 << 20, 1 << 64, (0x28, 0x2C), 4)
WINDOWS: Final = (PORTS, MEMORY, PREFETCH)
_OTHER: Final = {MEMORY.name: PREFETCH, PREFETCH.name: MEMORY}
"""Windows that lead to the same space."""


def trials_of_windows(section: Section, config: Config, scene: Scene) -> Iterator[tuple[int, str, int, Change]]:
    """For each window of a bridge its turn, a name, the register of its base, and the change; nothing for others."""
    if header_type(section, config) != BRIDGE:
        return
    behind, beside = _around(section, config, scene)
    for window in WINDOWS:
        now = window.get(section, config)
        found = dict.fromkeys(places(window, now, behind[window.name], beside[window.name]))
        for turn, (base, last) in enumerate(span for span in found if span != now):
            yield turn, f"window:{window.name}:{base:#x}:{last:#x}", window.base, partial(window.put, base, last)


def trials_of_vga(section: Section, config: Config) -> Iterator[tuple[int, str, int, Change]]:
    """As of windows, for those that are fixed: a bridge shows VGA's memory and ports by a bit each of two registers."""
    if header_type(section, config) == BRIDGE:
        for turn, command in enumerate(_COMMANDS):
            yield turn, f"window:vga:{command}", _CONTROL, partial(_with_vga, config, command)


def _with_vga(config: Config, command: int, section: Section) -> Section | None:
    made = put(section, config, COMMAND, 1, get(section, config, COMMAND, 1) & ~7 | command)
    made = put(made, config, _CONTROL, 1, get(section, config, _CONTROL, 1) | _VGA)
    return None if made.payload == section.payload else made


def places(window: Window, now: Span, behind: Sequence[Span], beside: Sequence[Span]) -> Iterator[Span]:
    """Bases and last granules.

    `behind`: first and last addresses of BARs that the window leads to; `beside`: those of other windows.
    """
    granule = window.granule
    top = window.end - granule
    base, last = now

    def fits(one: int, two: int) -> Iterator[Span]:
        if 0 <= one <= top and 0 <= two <= top:
            yield one & -granule, two & -granule

    yield from fits(base, base)
    for number, (start, end) in enumerate(behind):
        yield from fits(start, end)
        if not number:
            yield from fits(base, top)
            for first in beside[:1]:
                yield from fits(first[0], max(first[1], last))
        yield from fits(start + granule, max(end, start + granule))
        yield from fits(start - granule, start - granule)
    yield from fits(0, top)
    yield from fits(base, base - granule)
    yield from fits(top, top)
    for start, end in behind:
        yield from fits(start, max(start, end - granule))
        yield from fits((start + end) // 2, end)
        yield from fits(start, (start + end) // 2)
        yield from fits(end, end)
    yield from fits(0, 0)
    yield from fits(0, last)
    yield from fits(base, top)
    for start, end in beside:
        yield from fits(start, end)
        yield from fits(end, end + granule)
        yield from fits(base, end)
    yield from fits(granule, granule)
    yield from fits(granule, top)
    if window.upper_size > 2:
        yield from fits((1 << 32) - granule, (1 << 32) - granule)
        yield from fits((1 << 32) - granule, 1 << 32)
        yield from fits(1 << 32, 1 << 32)
        yield from fits(1 << 32, (1 << 33) - granule)
        yield from fits(base, base + (1 << 32) - granule)
        yield from fits(1 << 63, top)


def _around(section: Section, config: Config, scene: Scene) -> tuple[dict[str, list[Span]], dict[str, list[Span]]]:
    """By window, first and last addresses of the BARs behind a bridge, and of other windows, in all seeds.

    The first of these is the bridge's own other one, of the two that lead to memory.
    """
    path = section.name.rpartition("/")[0]
    behind: dict[str, dict[Span, None]] = {window.name: {} for window in WINDOWS}
    beside: dict[str, dict[Span, None]] = {window.name: {} for window in WINDOWS}
    for window in (MEMORY, PREFETCH):
        base, last = window.get(section, config)
        if last >= base:
            beside[_OTHER[window.name].name][base, last] = None
    for donor in scene.donors:
        for _, other, its in functions(donor):
            own = other.name.rpartition("/")[0]
            if own.startswith(f"{path}:"):
                for name, span in _bars(other, its, scene.bars.get(own, {})):
                    behind[name][span] = None
            elif own != path and header_type(other, its) == BRIDGE:
                for window in WINDOWS:
                    base, last = window.get(other, its)
                    if last >= base:
                        beside[window.name][base, last] = None
    return _first(behind), _first(beside)


def _first(found: dict[str, dict[Span, None]]) -> dict[str, list[Span]]:
    return {name: list(spans)[:_MOST_BEHIND] for name, spans in found.items()}


def _bars(section: Section, config: Config, sizes: Mapping[int, int]) -> Iterator[tuple[str, Span]]:
    """The BARs of a function that are anywhere, by the windows that lead to them."""
    for slot, size in sizes.items():
        if slot > _LAST_BAR:
            continue
        value = get(section, config, BARS + 4 * slot, 4)
        is_io = bool(value & 1)
        address = value & (~3 if is_io else ~0xF)
        if value & _WIDE and not is_io and slot < _LAST_BAR:
            address |= get(section, config, BARS + 4 * slot + 4, 4) << 32
        if address:
            for window in (PORTS,) if is_io else (MEMORY, PREFETCH):
                yield window.name, (address, address + size - 1)
