"""A user's own design: a class in a Python file named on the command line.

What would fail only in the middle of a load, and there without a
line of the file to point at, is looked for first: parameters of hooks, and names that are nearly those of hooks.
"""

from __future__ import annotations

import difflib
import inspect
import re
from types import FunctionType, ModuleType
from typing import Final

from fuzz.own_file import OwnFileError, module_of, try_out
from model.designs import DESIGNS, Design

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
TAKEN: Final = frozenset({"all", "any"})
"""What `--design` and causes mean otherwise."""

HOOKS: Final = tuple(name for name, value in vars(Design).items() if isinstance(value, FunctionType))
"""The hooks by name, in the order of `model.designs.design`."""

_LIKENESS: Final = 0.85
"""From here on a name is taken for a hook that was spelled wrong; 1: the same."""

_KNOWN: Final[dict[tuple[ModuleType, str], type[Design]]] = {}
_TYPED: Final[dict[type[Design], str]] = {}


def typed_as(design: type[Design]) -> str | None:
    """FILE:CLASS with the whole path, if the design is a user's own."""
    return _TYPED.get(design)


def made_of(text: str) -> type[Design] | None:
    """The design that was made of that FILE:CLASS, if it was."""
    return next((design for design, typed in reversed(_TYPED.items()) if typed == text), None)


def own_design(text: str) -> type[Design]:
    """The class that FILE:CLASS names; the file is seen from the current folder. Raises OwnFileError."""
    file, _, name = text.rpartition(":")
    path, module = module_of(file)
    key = module, name
    if key not in _KNOWN:
        found = _class_in(module, name, file)
        _KNOWN[key] = found
        _TYPED[found] = f"{path}:{name}"
    return _KNOWN[key]


def _class_in(module: ModuleType, name: str, file: str) -> type[Design]:
    found = module.__dict__.get(name)
    if not isinstance(found, type):
        designs = [
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, Design) and value.__module__ == module.__name__
        ]
        raise OwnFileError(f"no class {name} in {file}; its designs: {', '.join(designs) or 'none'}")
    if not issubclass(found, Design):
        raise OwnFileError(f"{name} is no Design (from model.designs import Design)")
    _check_name(found)
    _check_hooks(found)
    try_out(found, module)
    return found


def _check_name(found: type[Design]) -> None:
    name = vars(found).get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        seen = "none" if name is None else repr(name)
        raise OwnFileError(f"{found.__name__}.name: expected letters, digits, . _ + -, found {seen}")
    if name in DESIGNS or name in TAKEN:
        raise OwnFileError(f"{found.__name__}.name: {name} means something else already")


def _check_hooks(found: type[Design]) -> None:
    own = [owner for owner in found.__mro__ if owner not in Design.__mro__]
    for owner in own:
        for name, value in vars(owner).items():
            if name.startswith("_") or not callable(value) or isinstance(value, type) or hasattr(Design, name):
                continue
            if alike := difflib.get_close_matches(name, HOOKS, 1, _LIKENESS):
                raise OwnFileError(f"{owner.__name__}.{name}: no such hook; there is {alike[0]}")
    for name in HOOKS:
        hook, wanted = getattr(found, name), inspect.signature(getattr(Design, name))
        if not callable(hook):
            raise OwnFileError(f"{found.__name__}.{name}: is a hook, and no function")
        try:
            inspect.signature(hook).bind(*wanted.parameters)
        except (TypeError, ValueError):
            expected = ", ".join(wanted.parameters)
            raise OwnFileError(f"{found.__name__}.{name}: expected the parameters ({expected})") from None
