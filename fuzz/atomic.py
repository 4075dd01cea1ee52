"""Files that are either the old ones or the new ones, whole, whatever kills the process in between."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fuzz.settling import Settling


def write_atomic(path: Path, data: bytes, settling: Settling | None = None) -> None:
    """Write `data` to `path`: a temporary file beside it, fsync, rename, fsync of the folder.

    With `settling` both are left to that thread; what kills the process, and not the computer, finds the file whole all
    the same. Raises OSError as the file system does; `path` is then untouched and no temporary file is left behind.
    """
    if settling is None:
        write_pieces(path, [data])
        return
    _write(path, [data], None, sync=False)
    settling.add(path)


def replace_atomic(path: Path, data: bytes, expected: bytes | None) -> bool:
    """As `write_atomic`, if `path` still holds what is expected, None: nothing, as it is not there. Whether it did.

    For files that others save as well, without a lock. What one of them saves between this last look and the rename,
    microseconds, is lost; before that it is their file that stays.
    """

    def still() -> None:
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            found = None
        if found != expected:
            raise _ChangedError

    try:
        write_pieces(path, [data], still)
    except _ChangedError:
        return False
    return True


class _ChangedError(Exception):
    """The file is another one by now."""


def write_pieces(path: Path, pieces: Iterable[bytes | memoryview], last_look: Callable[[], None] | None = None) -> int:
    """As `write_atomic`, from pieces that are made while they are written. How many bytes it were.

    `last_look` is called right before the rename. Raises OSError as the file system does, and what making a piece or
    that look raises; `path` is then untouched and no temporary file is left behind.
    """
    size = _write(path, pieces, last_look, sync=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return size


def _write(
    path: Path, pieces: Iterable[bytes | memoryview], last_look: Callable[[], None] | None, *, sync: bool
) -> int:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                file.write(piece)
            size = file.tell()
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            if sync:
                os.fsync(file.fileno())
        if last_look is not None:
            last_look()
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return size
