"""What the PCI functions' registers ask for: where BARs are mapped or why not, command bits, windows.

A flat view shows what is mapped and seen; a BAR that is switched off, lies at 0, wraps or is hidden leaves no
trace in it, though one bit may be missing. Each is told by kind of device, so that thirty ports of one kind are one.

What a config space comes to is remembered: most inputs change one function, or none.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from model.devices.bridge import io_window, memory_window, prefetch_window
from model.devices.pci import COMMAND, COMMAND_IO, COMMAND_MASTER, COMMAND_MEMORY, U32, U64

if TYPE_CHECKING:
    from collections.abc import Iterable

    from model.devices.pci import Bar, PciFunction
    from model.situation import Facts

MOST: Final = 2_000
"""Config spaces that are remembered, and combinations of them: some MB."""
_MEGABYTE: Final = 1 << 20


class Registers:
    """The registers of a machine's functions. `kinds`: of the device that each function is."""

    def __init__(self, functions: Iterable[tuple[str, PciFunction]]) -> None:
        self._functions = tuple(functions)
        self._known: dict[tuple[object, ...], frozenset[tuple[str, ...]]] = {}
        self._all: dict[tuple[object, ...], Facts] = {}

    def facts(self) -> Facts:
        """What those functions ask for that are not as at reset."""
        at = tuple(
            (function.config, function.has_power) if function.config is not function.entry.config else None
            for _, function in self._functions
        )
        known = self._all.get(at)
        return self._new_facts(at) if known is None else known

    def _new_facts(self, at: tuple[object, ...]) -> Facts:
        found: set[tuple[str, ...]] = set()
        for index, (kind, function) in enumerate(self._functions):
            if at[index] is not None:
                found |= self._of(index, kind, function)
        found.update(_met([(kind, bar) for kind, function in self._functions for bar in function.bars]))
        if len(self._all) >= MOST:
            self._all.clear()
        facts = self._all[at] = tuple(sorted(found))
        return facts

    def _of(self, index: int, kind: str, function: PciFunction) -> frozenset[tuple[str, ...]]:
        key = (index, function.config[:0x40], function.has_power)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MOST:
                self._known.clear()
            known = self._known[key] = frozenset(_asked(kind, function))
        return known


def _asked(kind: str, function: PciFunction) -> Iterable[tuple[str, ...]]:
    """What one function's config space asks for."""
    config = function.config
    command = config[COMMAND]
    bits = "".join(
        letter if command & bit else "-"
        for letter, bit in (("i", COMMAND_IO), ("m", COMMAND_MEMORY), ("b", COMMAND_MASTER))
    )
    yield ("command", kind, bits if function.has_power else f"{bits} without power")
    for bar in function.bars:
        yield ("bar", kind, str(bar.slot), bar_state(bar, config))
    if function.bridge is not None:
        yield from _windows(kind, config)


def bar_state(bar: Bar, config: bytes) -> str:
    """Where a BAR is mapped, or the first reason why it is not, in the order of pci.md 2."""
    if not config[COMMAND] & (COMMAND_IO if bar.is_io else COMMAND_MEMORY):
        return "command off"
    value = int.from_bytes(config[bar.offset : bar.offset + (8 if bar.is_wide else 4)], "little")
    if bar.is_rom and not value & 1:
        return "ROM off"
    address = value & ~(bar.size - 1)
    last = (address + bar.size - 1) & U64
    if address == 0:
        return "at 0"
    if last <= address:
        return "wraps"
    if last == U64 or (last >= U32 and not bar.is_wide):
        return "at the top"
    if last > U32:
        return "above 4G"
    return "mapped" if address >= _MEGABYTE or bar.is_io else "below 1M"


def _windows(kind: str, config: bytes) -> Iterable[tuple[str, ...]]:
    """A bridge's windows: open or why not, and how the two of memory lie."""
    spans = {}
    for name, (base, limit), enable in (
        ("pref", prefetch_window(config), COMMAND_MEMORY),
        ("mem", memory_window(config), COMMAND_MEMORY),
        ("io", io_window(config), COMMAND_IO),
    ):
        if limit < base:
            state = "closed"
        elif not config[COMMAND] & enable:
            state = "command off"
        else:
            state = "from 0" if base == 0 else "above 4G" if limit > U32 else "open"
            spans[name] = base, limit
        yield ("window", kind, name, state)
    if "pref" in spans and "mem" in spans:
        (low, end), (start, _) = sorted((spans["pref"], spans["mem"]))
        how = "same" if low == start else "overlap" if start <= end else "touch" if start == end + 1 else "apart"
        yield ("windows", kind, how)


def _met(bars: list[tuple[str, Bar]]) -> Iterable[tuple[str, ...]]:
    """BARs of one container that overlap or touch, the next in address with the next."""
    mapped = sorted(
        (bar.container.key, bar.mapped_at, bar.mapped_at + bar.size, kind)
        for kind, bar in bars
        if bar.mapped_at is not None
    )
    for (container, start, end, kind), (other, then, _, next_kind) in pairwise(mapped):
        if container == other and then <= end:
            how = "same address" if then == start else "touch" if then == end else "overlap"
            yield ("bars", how, *sorted((kind, next_kind)))
