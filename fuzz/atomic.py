"""Files that are either the old ones or the new ones, whole, whatever kills the process in between."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fuzz.settling import Settling


def write_atomic(path: Path, data: bytes, settling: Settling | None = None) -> None:
    """Write `data` to `path`: a temporary file beside it, fsync, rename, fsync of the folder.

    With `settling` the temporary file is whole when this returns, and that thread does the rest. Raises OSError as the
    file system does; `path` is then untouched and no temporary file is left behind.
    """
    if settling is None:
        write_pieces(path, [data])
        return
    with _temporary(path) as temporary:
        _fill(temporary, [data])
    settling.add(temporary, path)


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
    with _temporary(path) as temporary:
        size = _fill(temporary, pieces)
        bring_to_disk(temporary)
        if last_look is not None:
            last_look()
        temporary.replace(path)
    bring_to_disk(path.parent)
    return size


def bring_to_disk(path: Path) -> None:
    """Wait until a file, or what a folder says of its files, would outlive a loss of power. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, gone again if what is done with it fails."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.fchmod(handle, 0o644)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _fill(path: Path, pieces: Iterable[bytes | memoryview]) -> int:
    """Write the pieces; their bytes. Who is killed after this has given the whole file to the system."""
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
        return file.tell()
