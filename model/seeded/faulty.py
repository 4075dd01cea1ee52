"""A design with a seeded bug in the program: it is held to what the sound program comes to under that design."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final, cast

from model.seeded.bug import name_of, switched_on

if TYPE_CHECKING:
    from model.designs import Design

MARK: Final = "~"
"""Between the names of a design and a bug."""

_KNOWN: Final[dict[tuple[type[Design], type[object]], type[Design]]] = {}


def with_bug(design: type[Design], bug: type[object]) -> type[Design]:
    """`design`, loaded with `bug` switched on; called `DESIGN~BUG`."""
    key = design, bug
    if key not in _KNOWN:
        name = f"{design.name}{MARK}{name_of(bug)}"
        more = {"name": name, "bug": bug, "sound": design, "__module__": design.__module__, "__doc__": design.__doc__}
        _KNOWN[key] = cast("type[Design]", type(design.__name__, (design,), more))
    return _KNOWN[key]


def bug_of(design: type[Design]) -> AbstractContextManager[None]:
    """The design's bug is on within, a fresh object of it; nothing is done for a design without one."""
    return _SOUND if design.bug is None else switched_on(design.bug())


_SOUND: Final = nullcontext()
