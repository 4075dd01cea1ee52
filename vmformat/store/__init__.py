"""The store: schemas of devices nobody has described here, captured from real QEMUs and shipped with the package.

A section is looked up by what follows the last slash of its name, and its version. Several schemas may be known for one
(a device whose properties decide what it saves): those seen most often come first, and the reader takes the first that
ends where the section does. Folders of a user's own schemas are asked before what is shipped: those named by `use`,
or else in the environment variable VMFUZZ_STORE.

Nothing is read before someone asks, and then only what was asked for: importing this costs nothing.
"""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vmformat.store.archive import Archive, Entry, Folder
from vmformat.store.arrays import completed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.schema import Schema

__all__ = ["Archive", "Entry", "Folder", "entries", "free", "schemas_for", "sources", "use"]

_VARIABLE: Final = "VMFUZZ_STORE"
_FOLDERS: list[Folder] = []


def use(*folders: Path) -> None:
    """Ask these folders too, before what is shipped, the first one first. Replaces those named before."""
    _FOLDERS[:] = [Folder(path) for path in folders]
    _found.cache_clear()
    free.cache_clear()


def sources() -> tuple[Folder | Archive, ...]:
    """The users' folders in use, then what is shipped."""
    named = [Folder(Path(path)) for path in os.environ.get(_VARIABLE, "").split(os.pathsep) if path]
    return (*(_FOLDERS or named), shipped())


@lru_cache(maxsize=1)
def shipped() -> Archive:
    """What comes with the package."""
    return Archive(Path(str(files("vmformat.store") / "schemas.zip")))


def schemas_for(name: str, version: int) -> tuple[Schema, ...]:
    """The schemas that a section of that name (with or without a device path) and version may have, likely ones first.

    Those of the very version come before newer ones that say that they take it, and these before older ones.
    """
    return _found(name.rpartition("/")[2], version)


@lru_cache(maxsize=1024)
def _found(vmsd: str, version: int) -> tuple[Schema, ...]:
    known = completed((entry.schema for source in sources() for entry in source.entries(vmsd)), free())

    def distance(schema: Schema) -> int:
        if schema.version == version:
            return 0
        return 1 if schema.minimum <= version < schema.version else 2

    return tuple(sorted(dict.fromkeys(known), key=distance))


@lru_cache(maxsize=1)
def free() -> frozenset[tuple[str, str]]:
    """The (vmsd, array) whose length is the machine's and stands nowhere in the stream."""
    return frozenset(pair for source in sources() for pair in source.free())


def entries() -> Iterator[tuple[Folder | Archive, Entry]]:
    """Everything that is known, by source and then by name and version."""
    for source in sources():
        for vmsd in source.names():
            for entry in source.entries(vmsd):
                yield source, entry
