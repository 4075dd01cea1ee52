"""What compiling a module with probes came to, kept beside Python's own byte code for the next process.

A worker would else spend a second on it at each start. The file has a name of its own in `__pycache__`
(`module.cpython-311.opt-probes.pyc`), so nobody takes it for the plain module; it says what it was made of, and what
does not fit, or is damaged, is made anew. Where nothing can be written, nothing is kept.
"""

from __future__ import annotations

import marshal
import os
import sys
import tempfile
from contextlib import suppress
from hashlib import blake2b
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from typing import Any, Final

_NAME: Final = "probes"
_SIZE: Final = 32
"""Bytes of a digest."""


def digest(*parts: bytes) -> bytes:
    """32 bytes that tell of what a module's code was made, by this Python."""
    made_of = blake2b(MAGIC_NUMBER, digest_size=_SIZE)
    for part in parts:
        made_of.update(len(part).to_bytes(8, "little"))
        made_of.update(part)
    return made_of.digest()


def kept(source: str, of: bytes) -> Any:
    """What was kept for a source file, if it was made of that (`digest`); else None."""
    try:
        data = _place(source).read_bytes()
    except OSError:
        return None
    if data[:_SIZE] != of or data[_SIZE : 2 * _SIZE] != digest(of, data[2 * _SIZE :]):
        return None
    return marshal.loads(data[2 * _SIZE :])  # noqa: S302 - as whole as Python's own, which are not looked at


def keep(source: str, of: bytes, value: Any) -> None:
    """Keep a value, of constants and code objects, for a source file. Others read the old one or this one, whole."""
    if sys.dont_write_bytecode:
        return
    data = marshal.dumps(value)
    place = _place(source)
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(of + digest(of, data) + data)
            Path(name).replace(place)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise


def _place(source: str) -> Path:
    return Path(cache_from_source(source, optimization=_NAME))
