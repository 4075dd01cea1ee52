"""A user's own design: a class in a Python file named on the command line.

The file is run once for each content that it has. What would fail only in the middle of a load, and there without a
line of the file to point at, is looked for first: parameters of hooks, and names that are nearly those of hooks.
"""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Final

from model.designs import DESIGNS, Design

if TYPE_CHECKING:
    from types import TracebackType

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
TAKEN: Final = frozenset({"all", "any"})
"""What `--design` and causes mean otherwise."""

HOOKS: Final = tuple(name for name, value in vars(Design).items() if isinstance(value, FunctionType))
"""The hooks by name, in the order of `model.designs.design`."""

_LIKENESS: Final = 0.85
"""From here on a name is taken for a hook that was spelled wrong; 1: the same."""

_KNOWN: Final[dict[tuple[str, str, bytes], type[Design]]] = {}
_TYPED: Final[dict[type[Design], str]] = {}


class DesignFileError(Exception):
    """A file or class that is no design, in one line that says why."""


def typed_as(design: type[Design]) -> str | None:
    """FILE:CLASS with the whole path, if the design is a user's own."""
    return _TYPED.get(design)


def made_of(text: str) -> type[Design] | None:
    """The design that was made of that FILE:CLASS, if it was."""
    return next((design for design, typed in reversed(_TYPED.items()) if typed == text), None)


def own_design(text: str) -> type[Design]:
    """The class that FILE:CLASS names; the file is seen from the current folder. Raises DesignFileError."""
    file, _, name = text.rpartition(":")
    path = Path(file).resolve()
    try:
        source = path.read_bytes()
    except OSError as error:
        raise DesignFileError(f"{file}: {error.strerror or error}") from None
    key = str(path), name, source
    if key not in _KNOWN:
        found = _class_in(_run(path, source), name, file)
        _KNOWN[key] = found
        _TYPED[found] = f"{path}:{name}"
    return _KNOWN[key]


def _run(path: Path, source: bytes) -> ModuleType:
    """The file as a module of its own. Modules beside it can be imported, as beside a script."""
    module = ModuleType(f"vmfuzz_design_{path.stem}_{len(_KNOWN)}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look there
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - what the user asked for
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        raise DesignFileError(f"{where}{error.msg}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the file is anybody's
        raise DesignFileError(f"{_line(error, path)}{_said(error)}") from None
    return module


def _class_in(module: ModuleType, name: str, file: str) -> type[Design]:
    found = module.__dict__.get(name)
    if not isinstance(found, type):
        designs = [
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, Design) and value.__module__ == module.__name__
        ]
        raise DesignFileError(f"no class {name} in {file}; its designs: {', '.join(designs) or 'none'}")
    if not issubclass(found, Design):
        raise DesignFileError(f"{name} is no Design (from model.designs import Design)")
    _check_name(found)
    _check_hooks(found)
    try:
        found()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the file is anybody's
        raise DesignFileError(f"{_line(error, Path(module.__file__ or ''))}{name}(): {_said(error)}") from None
    return found


def _check_name(found: type[Design]) -> None:
    name = vars(found).get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        seen = "none" if name is None else repr(name)
        raise DesignFileError(f"{found.__name__}.name: expected letters, digits, . _ + -, found {seen}")
    if name in DESIGNS or name in TAKEN:
        raise DesignFileError(f"{found.__name__}.name: {name} means something else already")


def _check_hooks(found: type[Design]) -> None:
    own = [owner for owner in found.__mro__ if owner not in Design.__mro__]
    for owner in own:
        for name, value in vars(owner).items():
            if name.startswith("_") or not callable(value) or isinstance(value, type) or hasattr(Design, name):
                continue
            if alike := difflib.get_close_matches(name, HOOKS, 1, _LIKENESS):
                raise DesignFileError(f"{owner.__name__}.{name}: no such hook; there is {alike[0]}")
    for name in HOOKS:
        hook, wanted = getattr(found, name), inspect.signature(getattr(Design, name))
        if not callable(hook):
            raise DesignFileError(f"{found.__name__}.{name}: is a hook, and no function")
        try:
            inspect.signature(hook).bind(*wanted.parameters)
        except (TypeError, ValueError):
            expected = ", ".join(wanted.parameters)
            raise DesignFileError(f"{found.__name__}.{name}: expected the parameters ({expected})") from None


def _line(error: BaseException, path: Path) -> str:
    """Which line of the file was running."""
    found = 0
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            found = trace.tb_lineno
        trace = trace.tb_next
    return f"line {found}: " if found else ""


def _said(error: BaseException) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
