"""Programs of memory-API calls as values, and their text form: what the target `memory` runs.

A program names the world that it plays in (`worlds`) and lists calls. A call has a verb, operands, and somebody who
makes it: the loader ("", the usual one), a memory listener at its next `begin` or `commit` callback, a vCPU that has
the big lock, or somebody `bare`, who reads under RCU without it.

The text form has a line for each call, `#` starts a comment:

    world abcd
    add C A 0x1000 1
    load
    add D C 0x0 0
    commit: disable B
    read memory 0x1000 0x1

Text and value are the same thing twice; bytes are a third form (`codec`), for an engine that mutates bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from fuzz.programs.worlds import WORLDS
from model.memory import T64

if TYPE_CHECKING:
    from fuzz.programs.worlds import World

Operand: TypeAlias = "str | int"

VERBS: Final[dict[str, tuple[str, ...]]] = {
    "add": ("region", "region", "at", "priority"),
    "del": ("region",),
    "move": ("region", "at"),
    "resize": ("region", "size"),
    "enable": ("region",),
    "disable": ("region",),
    "offset": ("alias", "at"),
    "readonly": ("region", "switch"),
    "nonvolatile": ("region", "switch"),
    "romd": ("romd", "switch"),
    "renew": ("alias", "at", "size"),
    "eventfd": ("region", "switch"),
    "begin": (),
    "commit": (),
    "open": ("extra", "region"),
    "close": ("extra",),
    "read": ("space", "at", "length"),
    "write": ("space", "at", "length"),
    "map": ("space", "at", "length", "way"),
    "find": ("region", "at", "length"),
    "cache": ("slot", "space", "at", "length", "way"),
    "check": ("slot",),
    "use": ("slot",),
    "load": (),
    "section": (),
    "postload": (),
    "release": (),
}
"""Each verb with the kinds of its operands, in the order in which they are written."""

WHO: Final = ("", "begin", "commit", "vcpu", "bare")
SWITCH: Final = ("off", "on")
WAYS: Final = ("r", "w")
SLOTS: Final = ("c0", "c1", "c2", "c3")
PRIORITIES: Final = (-2, -1, 0, 1, 2)
NUMBERS: Final = {"at": (0, T64 - 1), "size": (0, T64), "length": (1, 0x4000)}
"""Kinds of operands that are numbers of bytes: the least and the greatest."""
MAX_CALLS: Final = 64

TREE: Final = frozenset(
    ("add", "del", "move", "resize", "enable", "disable", "offset", "readonly", "nonvolatile", "romd", "renew")
)
"""Verbs that may change the tree."""
READS: Final = frozenset(("read", "write", "map", "find", "cache"))
"""Verbs that get a flat view."""


class ProgramError(Exception):
    """A text that is no program, in one line that says where and why."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call. Operands are names or numbers, as the verb wants them."""

    verb: str
    operands: tuple[Operand, ...] = ()
    who: str = ""

    def text(self) -> str:
        """The call as a line."""
        kinds = VERBS[self.verb]
        words = [
            hex(value) if isinstance(value, int) and kind in NUMBERS else str(value)
            for kind, value in zip(kinds, self.operands, strict=True)
        ]
        prefix = f"{self.who}: " if self.who else ""
        return prefix + " ".join((self.verb, *words))


@dataclass(frozen=True, slots=True)
class Program:
    """The name of a world, and calls."""

    world: str = "board"
    calls: tuple[Call, ...] = ()

    def text(self) -> str:
        """The program as lines."""
        return "\n".join((f"world {self.world}", *(call.text() for call in self.calls))) + "\n"

    @property
    def reacts(self) -> bool:
        """Whether listeners make calls: then when commits happen may change how it ends."""
        return any(call.who in {"begin", "commit"} for call in self.calls)


def names(world: World, kind: str) -> tuple[Operand, ...]:
    """What an operand of a kind may be in a world; nothing for numbers of bytes."""
    if kind in NUMBERS:
        return ()
    if kind in {"region", "alias", "romd", "space", "extra"}:
        found: tuple[str, ...] = getattr(world, f"{kind}_names")
        return found
    fixed: dict[str, tuple[Operand, ...]] = {"switch": SWITCH, "way": WAYS, "slot": SLOTS, "priority": PRIORITIES}
    return fixed[kind]


def from_text(text: str) -> Program:
    """The program that a text says. Raises ProgramError."""
    world: World | None = None
    calls: list[Call] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        where = f"line {number}"
        if world is None:
            if words[0] != "world" or len(words) != 2 or words[1] not in WORLDS:
                raise ProgramError(f"{where}: expected `world` and one of {', '.join(WORLDS)}, found {line.strip()!r}")
            world = WORLDS[words[1]]
            continue
        calls.append(_call(world, words, where))
    if world is None:
        raise ProgramError("expected a line `world NAME`, found nothing")
    if len(calls) > MAX_CALLS:
        raise ProgramError(f"expected at most {MAX_CALLS} calls, found {len(calls)}")
    return Program(world.name, tuple(calls))


def _call(world: World, words: list[str], where: str) -> Call:
    who = ""
    if words[0].endswith(":"):
        who = words.pop(0)[:-1]
        if who not in WHO[1:]:
            raise ProgramError(f"{where}: expected one of {', '.join(WHO[1:])} before the colon, found {who!r}")
    verb = words.pop(0) if words else ""
    kinds = VERBS.get(verb)
    if kinds is None:
        raise ProgramError(f"{where}: expected a verb ({', '.join(VERBS)}), found {verb!r}")
    if len(words) != len(kinds):
        raise ProgramError(
            f"{where}: {verb} takes {' '.join(kinds) or 'nothing'}, found {' '.join(words) or 'nothing'}"
        )
    operands = tuple(_operand(world, kind, word, where) for kind, word in zip(kinds, words, strict=True))
    return Call(verb, operands, who)


def _operand(world: World, kind: str, word: str, where: str) -> Operand:
    if kind in NUMBERS:
        low, high = NUMBERS[kind]
        try:
            number = int(word, 0)
        except ValueError:
            number = -1
        if not low <= number <= high:
            raise ProgramError(f"{where}: expected a {kind} of {low:#x}..{high:#x}, found {word}")
        return number
    for name in names(world, kind):
        if str(name) == word:
            return name
    expected = ", ".join(map(str, names(world, kind)))
    raise ProgramError(f"{where}: expected a {kind} ({expected}), found {word}")
