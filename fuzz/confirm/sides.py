"""The two kinds of side: the model's load of a stream, and a real program's."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from fuzz import qemu
from fuzz.confirm.side import UNKNOWN, Side, VirtioSide
from fuzz.confirm.state import brought, expected, fields, parsed, saved_sections
from model import load
from model.devices.handler import Handler
from model.devices.resaved import not_kept
from model.memory import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fuzz.confirm.side import Fields
    from fuzz.confirm.state import Brought
    from model import Design, Machine, Outcome
    from model.machine import AnyHandler
    from vmformat import Section

MODEL: Final = "model"
QUEUES: Final = 64
"""Queues of a virtio device that are asked for."""

IMPATIENCE: Final = 4.0
"""Seconds given to a load of which the model says that it does not end."""

_IN_SECTION: Final = (
    re.compile(r"^error while loading state for instance 0x[0-9a-f]+ of device '(.*)'$"),
    re.compile(r"^error while loading state section id -?\d+\((.*)\)$"),
    re.compile(r"^Missing section footer for (.*)$"),
    re.compile(r"^Mismatched section id in footer for (.*) - read "),
    re.compile(r"^savevm: unsupported version -?\d+ for '(.*)' v-?\d+$"),
    re.compile(r"^Unknown savevm section or instance '(.*)' \d+\. Make sure"),
)
_LAST_LINE: Final = "load of migration failed: "


@dataclass(frozen=True, slots=True)
class Modelled:
    """The model's side, and what is needed to say what it would save."""

    side: Side
    outcome: Outcome
    loaded: Mapping[AnyHandler, Brought]

    def with_saved(self, program: Side, saved: Mapping[tuple[str, int], Section] | None) -> tuple[Side, Side]:
        """Both sides with the state that is saved again, of the sections in which they may differ."""
        if saved is None or self.side.verdict != "accepted":
            return self.side, program
        both = expected(self.loaded, saved)
        return (
            replace(self.side, saved={key: mine for key, (mine, _) in both.items()}),
            replace(program, saved={key: theirs for key, (_, theirs) in both.items()}),
        )


def of_model(machine: Machine, data: bytes, design: type[Design]) -> Modelled:
    """Load into the machine, which is pristine before and after."""
    try:
        outcome = load(machine, data, design())
        stream = parsed(data, machine) if outcome.verdict == "accepted" else None
        side = Side(
            MODEL,
            outcome.verdict,
            how=_how(outcome),
            section=_section(outcome.verdict, outcome.messages, outcome.at.section if outcome.at else ""),
            cut_off=outcome.at is not None and outcome.at.offset >= len(data),
            messages=outcome.messages,
            rebuilds=outcome.rebuilds,
            views=layout(machine.mtree()) if outcome.verdict == "accepted" else None,
            virtio=_model_virtio(outcome) if outcome.verdict == "accepted" else None,
        )
        return Modelled(side, outcome, brought(stream, machine) if stream is not None else {})
    finally:
        machine.reset()


def _how(outcome: Outcome) -> str:
    errors = outcome.at.errors if outcome.at is not None else ()
    return errors[0] if outcome.verdict == "aborted" and errors else ""


def _section(verdict: str, messages: tuple[str, ...], last: str) -> str | None:
    """Where a load fell: what its messages say, or (it died without a word) the section it was in."""
    for line in messages:
        for pattern in _IN_SECTION:
            if match := pattern.match(line):
                return match[1]
    if verdict == "refused" and any(line.startswith(_LAST_LINE) for line in messages):
        return ""
    return last or None


def _model_virtio(outcome: Outcome) -> dict[str, VirtioSide]:
    return {
        device.section: VirtioSide(
            device.broken,
            device.started,
            {
                queue.index: (queue.last_avail, queue.shadow_avail, queue.used, queue.inuse)
                for queue in device.queues
                if queue.num  # a program tells nothing of others
            },
            complete=True,
        )
        for device in outcome.devices
        if device.is_virtio
    }


def of_program(
    machine: Machine, data: bytes, *, binary: str, name: str, timeout: float = qemu.PATIENCE, save: bool = True
) -> tuple[Side, Mapping[tuple[str, int], Section] | None]:
    """Load into a real destination started with the machine's arguments. Raises QemuError if it does not start.

    Returns the side, and the sections that it saved again if it could.
    """
    description = machine.description
    found = qemu.load(description.arguments, data, binary=binary, timeout=timeout, queues=QUEUES, save=save)
    accepted = found.verdict == "accepted"
    side = Side(
        name,
        found.verdict,
        how=found.ended if found.verdict == "aborted" else "",
        section=_section(found.verdict, found.messages, found.sections[-1].name if found.sections else ""),
        messages=found.messages,
        rebuilds=found.rebuilds,
        views=layout(found.flat) if accepted else None,
        virtio=_program_virtio(machine, found) if accepted else None,
    )
    return side, None if found.saved is None else saved_sections(found.saved, machine)


def both_saved(
    machine: Machine,
    one: Side,
    mine: Mapping[tuple[str, int], Section] | None,
    other: Side,
    theirs: Mapping[tuple[str, int], Section] | None,
) -> tuple[Side, Side]:
    """Two programs' sides with the state that each saved, of the sections that are not the same in both."""
    if mine is None or theirs is None:
        return one, other
    kinds = {(handler.name, handler.instance): handler.kind for handler in machine.handlers}
    differing = [
        key for key in mine.keys() | theirs.keys() if key not in mine or key not in theirs or mine[key] != theirs[key]
    ]

    def told(sections: Mapping[tuple[str, int], Section]) -> dict[tuple[str, int], Fields]:
        return {
            key: {
                path: UNKNOWN if not_kept(kinds.get(key, ""), path) else value
                for path, value in fields(sections[key]).items()
            }
            if key in sections
            else {}
            for key in differing
        }

    return replace(one, saved=told(mine)), replace(other, saved=told(theirs))


def _owners(machine: Machine) -> dict[str, str]:
    """The section of each virtio device, by the path in the program's object tree of the device or its PCI function."""
    found = {}
    for handler in machine.handlers:
        if isinstance(handler, Handler) and handler.virtio is not None:
            function = handler.function
            found[_path(handler.virtio.id if function is None else function.entry.id)] = handler.name
    return found


def _path(id_: str) -> str:
    return id_ if id_.startswith("/") else f"/machine/peripheral/{id_}"


def _without_section(machine: Machine) -> set[str]:
    """The paths of PCI functions of which nothing is in a stream (virtio-pmem): they stay as they are."""
    told = {id(handler.function) for handler in machine.handlers}
    return {_path(function.entry.id) for function in machine.functions.values() if id(function) not in told}


def _program_virtio(machine: Machine, found: qemu.Loaded) -> dict[str, VirtioSide]:
    """By section: a virtio object is a child of its proxy, whose section the machine knows."""
    owners, silent = _owners(machine), _without_section(machine)

    def section_of(path: str) -> str:
        while path and path not in owners:
            path = path.rpartition("/")[0]
        return owners.get(path, path)

    queues: dict[str, dict[int, tuple[int, int, int, int]]] = {}
    keys = ("last-avail-idx", "shadow-avail-idx", "used-idx", "inuse")
    for path, index, status in found.queues:
        last, shadow, used, inuse = (int(status.get(key, 0)) for key in keys)
        queues.setdefault(path, {})[index] = last, shadow, used, inuse
    return {
        section_of(path): VirtioSide(bool(status["broken"]), bool(status["started"]), queues.get(path, {}))
        for path, status in found.virtio
        if not any(path.startswith(f"{function}/") for function in silent)
    }
