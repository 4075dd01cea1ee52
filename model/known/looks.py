"""What is looked at when a load is over, where it was not done: registers of functions, distances of checked fields.

Both go by what each function and each handler has come to, whoever brought it there; so they are put together from the
passages, and never taken from the machine, which has not done what was left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.devices.handler import Handler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.devices.pci import PciFunction
    from model.known.worlds import FunctionState
    from model.machine import AnyHandler, Machine
    from model.situation import Facts

MOST: Final = 4_000
"""States of all functions that are remembered."""


def states_of(machine: Machine) -> dict[PciFunction, FunctionState]:
    """Each function as it is."""
    return {
        function: (
            None if function.config is function.entry.config else function.config,
            function.has_power,
            tuple([bar.mapped_at for bar in function.bars]),
        )
        for function in machine.functions.values()
    }


def distances_of(handler: AnyHandler | None) -> Facts:
    """How far the checked fields that a handler has loaded are from what is refused."""
    watch = handler.watch if isinstance(handler, Handler) else None
    return watch.distances() if watch is not None and watch.values else ()


class Looks:
    """What one machine shows in the end."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._registers: dict[frozenset[tuple[PciFunction, FunctionState]], Facts] = {}
        self.watched: list[AnyHandler] = [
            one for one in machine.handlers if isinstance(one, Handler) and one.watch is not None
        ]

    def registers(self, states: Mapping[PciFunction, FunctionState]) -> Facts:
        """What the functions' registers ask for, if these are so and all others as at reset."""
        key = frozenset(states.items())
        found = self._registers.get(key)
        if found is None:
            if len(self._registers) >= MOST:
                self._registers.clear()
            found = self._registers[key] = self._new_registers(states)
        return found

    def _new_registers(self, states: Mapping[PciFunction, FunctionState]) -> Facts:
        """The machine is asked, which is made to look so meanwhile."""
        there = states_of(self._machine)
        for function, pristine in there.items():
            _show(function, states.get(function, (None, True, (None,) * len(pristine[2]))))
        found = self._machine.registers.facts()
        for function, state in there.items():
            _show(function, state)
        return found

    def distances(self, loaded: Mapping[AnyHandler, Facts]) -> Facts:
        """How far checked fields are from what is refused, from what each handler has loaded."""
        return tuple(dict.fromkeys(fact for one in self.watched if one in loaded for fact in loaded[one]))


def _show(function: PciFunction, state: FunctionState) -> None:
    config, function.has_power, mapped = state
    function.config = function.entry.config if config is None else config
    for bar, address in zip(function.bars, mapped, strict=True):
        bar.mapped_at = address
