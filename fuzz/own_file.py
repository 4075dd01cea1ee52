"""A class in a Python file named on the command line as FILE:CLASS: designs and seeded bugs of the user's own.

The file is run once for each content that it has. What is wrong with it is one line that says where.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import TracebackType

_RUN: Final[dict[tuple[str, bytes], ModuleType]] = {}


class OwnFileError(Exception):
    """A file or class that cannot be used, in one line that says why."""


def module_of(file: str) -> tuple[Path, ModuleType]:
    """The file's whole path, and what it defines; it is seen from the current folder. Raises OwnFileError."""
    path = Path(file).resolve()
    try:
        source = path.read_bytes()
    except OSError as error:
        raise OwnFileError(f"{file}: {error.strerror or error}") from None
    key = str(path), source
    if key not in _RUN:
        _RUN[key] = _run(path, source)
    return path, _RUN[key]


def _run(path: Path, source: bytes) -> ModuleType:
    """The file as a module of its own. Modules beside it can be imported, as beside a script."""
    module = ModuleType(f"vmfuzz_own_{path.stem}_{len(_RUN)}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look there
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - what the user asked for
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        raise OwnFileError(f"{where}{error.msg}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the file is anybody's
        raise OwnFileError(f"{line_of(error, path)}{said(error)}") from None
    return module


def try_out(found: type[object], module: ModuleType) -> None:
    """Make an object of the class, as each load does. Raises OwnFileError."""
    try:
        found()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the file is anybody's
        line = line_of(error, Path(module.__file__ or ""))
        raise OwnFileError(f"{line}{found.__name__}(): {said(error)}") from None


def line_of(error: BaseException, path: Path) -> str:
    """Which line of the file was running."""
    found = 0
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            found = trace.tb_lineno
        trace = trace.tb_next
    return f"line {found}: " if found else ""


def said(error: BaseException) -> str:
    """An exception in one line."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
