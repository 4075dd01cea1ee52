"""What a seeded bug is, and how it is switched on.

A seeded bug is a class. Each of its methods whose name is that of a seam (`model.seeded.seams`) stands in for the
function there. It gets the sound function first and then what that one would get, all by position:

    class AliasOffsetDropped(SeededBug):
        source = "memory.md 4.2"

        def init_alias(self, sound, memory, mr, offset, size):
            sound(memory, mr, 0, size)

A class need not derive from `SeededBug`: those of other files are taken by their methods. One that is a context
manager is entered for each load, and may replace whatever it likes by itself. One object serves one load, so what it
keeps on `self` begins anew with the next. While nothing is switched on, nothing of this runs.

A bug is on while a stream is loaded: neither while a machine is built, which would show it everywhere at once, nor
while what it left behind is undone.
"""

from __future__ import annotations

import dis
import inspect
import re
from contextlib import contextmanager, nullcontext
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from model.seeded.seams import SEAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from model.seeded.seams import Seam

_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MEMORY: Final = "model.memory."
"""Where the seams of the memory API live."""
_CARRIED: Final = frozenset({"render", "simplify"})
"""Seams whose mistakes are carried on."""
_STORES: Final = frozenset({"STORE_ATTR", "STORE_SUBSCR", "STORE_GLOBAL", "DELETE_ATTR", "DELETE_SUBSCR"})


class SeededBug:
    """The base of the shipped ones. Subclass it and replace what goes wrong.

    `source`: where such a fault was, or what rule it breaks: a row of bug-patterns.md or a section of a fact sheet.
    `machine`: a shipped machine on whose streams it shows. `budget`: executions within which the search finds it there,
    whatever the seed. `sections`: so many sections a shrunk witness needs at most.
    """

    source: ClassVar[str] = ""
    machine: ClassVar[str] = "pc-small"
    budget: ClassVar[int] = 10_000
    sections: ClassVar[int] = 3


def name_of(bug: type[object]) -> str:
    """What it is called in causes and on the command line: its class in lower case, words joined by hyphens."""
    return _WORD.sub("-", bug.__name__).replace("_", "-").lower()


def replaced(bug: type[object]) -> dict[Seam, Callable[..., Any]]:
    """The seams that a class replaces, each with the class's method for it."""
    return {SEAMS[name]: value for name, value in _methods(bug).items() if name in SEAMS}


def strangers(bug: type[object]) -> tuple[str, ...]:
    """Its public methods that are no seam's."""
    return tuple(name for name in _methods(bug) if name not in SEAMS and not name.startswith("_"))


def helps_itself(bug: type[object]) -> bool:
    """Whether it is a context manager, which replaces what it likes."""
    return hasattr(bug, "__enter__") and hasattr(bug, "__exit__")


def concerns_memory(bug: type[object]) -> bool:
    """Whether it replaces anything of the memory API, or may do so by itself."""
    return helps_itself(bug) or any(seam.module.startswith(_MEMORY) for seam in replaced(bug))


def keeps_nothing(bug: type[object]) -> bool:
    """Whether its methods surely give the same answer to the same arguments, whatever they were asked before.

    False where a method stores anything, or an attribute of the class could be stored into; and where renderings are
    altered, for one may be patched from whatever was rendered before.
    """
    if helps_itself(bug) or _CARRIED & _methods(bug).keys():
        return False
    for owner in bug.__mro__[:-1]:
        for value in vars(owner).values():
            if isinstance(value, (list, dict, set, bytearray)):
                return False
            if isinstance(value, FunctionType) and any(
                instruction.opname in _STORES for instruction in dis.get_instructions(value)
            ):
                return False
    return True


def _methods(bug: type[object]) -> dict[str, Callable[..., Any]]:
    return {
        name: value
        for owner in reversed(bug.__mro__[:-1])
        for name, value in vars(owner).items()
        if isinstance(value, FunctionType)
    }


@contextmanager
def switched_on(bug: object) -> Iterator[None]:
    """The bug is on within. Not to be nested."""
    undo: list[tuple[Any, str, Any, bool]] = []
    try:
        for seam in replaced(type(bug)):
            owner, attribute = seam.owner()
            own = attribute in vars(owner)
            sound = getattr(owner, attribute)
            undo.append((owner, attribute, sound, own))
            setattr(owner, attribute, _instead(getattr(bug, seam.name), sound))
        with cast("AbstractContextManager[object]", bug) if helps_itself(type(bug)) else nullcontext():
            yield
    finally:
        for owner, attribute, sound, own in reversed(undo):
            if own:
                setattr(owner, attribute, sound)
            else:
                delattr(owner, attribute)


def _instead(method: Callable[..., Any], sound: Callable[..., Any]) -> Callable[..., Any]:
    """Calls the method with all of the sound function's parameters by position, those left out at their defaults."""
    signature = inspect.signature(sound)
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    whole = len(kinds) if inspect.Parameter.VAR_POSITIONAL not in kinds else -1

    def function(*args: Any, **named: Any) -> Any:
        if named or len(args) != whole:
            bound = signature.bind(*args, **named)
            bound.apply_defaults()
            args = bound.args
            if bound.kwargs:
                return method(sound, *args, *bound.kwargs.values())
        return method(sound, *args)

    return function
