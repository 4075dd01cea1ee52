"""A user's own seeded bug: a class in a Python file named on the command line, each method one of `docs/seams.md`.

What would do nothing, or fail only in the middle of a load, is looked for first: methods of other names, parameters.
"""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Final

from fuzz.own_file import OwnFileError, module_of, try_out
from model.seeded import SEAMS, SEEDED, helps_itself, name_of, replaced, strangers

if TYPE_CHECKING:
    from types import ModuleType

_TYPED: Final[dict[type[object], str]] = {}


def typed_bug(bug: type[object]) -> str:
    """What names it from any folder: its name, or FILE:CLASS with the whole path."""
    return _TYPED.get(bug) or name_of(bug)


def own_bug(text: str) -> type[object]:
    """The class that FILE:CLASS names; the file is seen from the current folder. Raises OwnFileError."""
    file, _, name = text.rpartition(":")
    path, module = module_of(file)
    found = module.__dict__.get(name)
    if not isinstance(found, type):
        raise OwnFileError(f"no class {name} in {file}; its seeded bugs: {', '.join(_bugs(module)) or 'none'}")
    if found not in _TYPED:
        _check(found, module)
        _TYPED[found] = f"{path}:{name}"
    return found


def _bugs(module: ModuleType) -> list[str]:
    return [
        key
        for key, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and replaced(value)
    ]


def _check(found: type[object], module: ModuleType) -> None:
    if name_of(found) in SEEDED:
        raise OwnFileError(f"{found.__name__}: a shipped seeded bug is called {name_of(found)} already")
    for name in strangers(found):
        alike = difflib.get_close_matches(name, SEAMS, 1)
        hint = f"there is {alike[0]}" if alike else "see docs/seams.md"
        raise OwnFileError(f"{found.__name__}.{name}: no such seam; {hint}; names of your own begin with _")
    own = replaced(found)
    if not own and not helps_itself(found):
        raise OwnFileError(f"{found.__name__} replaces nothing: no method of it is a seam of docs/seams.md")
    for seam, method in own.items():
        wanted = ("self", "sound", *(name.removeprefix("*") for name in seam.parameters()))
        try:
            inspect.signature(method).bind(*wanted)
        except (TypeError, ValueError):
            expected = ", ".join(wanted)
            raise OwnFileError(f"{found.__name__}.{seam.name}: expected the parameters ({expected})") from None
    try_out(found, module)
