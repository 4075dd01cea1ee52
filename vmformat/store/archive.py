"""Where schemas are kept: a zip file with a JSON member for each vmsd name, or a folder with such files.

Each holds a list of objects: a schema as `Schema.to_json` has it, and in how many sections it was `seen`, most often
first. The member `@free` lists arrays, as pairs of vmsd and field, whose length only the machine knows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from vmformat.errors import StreamError
from vmformat.schema import Schema

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_FREE: Final = "@free.json"
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True)
class Entry:
    """A schema, and in how many sections it was seen."""

    schema: Schema
    seen: int


class _Source:
    """Members by name; what a member holds is read when it is asked for."""

    path: Path

    def _read(self, member: str) -> bytes | None:
        raise NotImplementedError

    def _members(self) -> Iterable[str]:
        raise NotImplementedError

    def names(self) -> list[str]:
        """The vmsds that are known."""
        return sorted(unquote(m.removesuffix(_SUFFIX)) for m in self._members() if m.endswith(_SUFFIX) and m != _FREE)

    def entries(self, vmsd: str) -> tuple[Entry, ...]:
        """What is known of a vmsd. Raises StreamError if the member is none of ours."""
        data = self._read(quote(vmsd, safe="") + _SUFFIX)
        if data is None:
            return ()
        found = []
        for item in self._list(data, vmsd):
            if not isinstance(item, dict):
                raise StreamError(0, f"{self.path}: {vmsd}", "a JSON object", type(item).__name__)
            seen = item.get("seen")
            found.append(Entry(Schema.from_json(item.get("schema")), seen if isinstance(seen, int) else 0))
        return tuple(found)

    def free(self) -> tuple[tuple[str, str], ...]:
        """The arrays whose length only the machine knows."""
        data = self._read(_FREE)
        pairs = [] if data is None else self._list(data, _FREE)
        return tuple((str(p[0]), str(p[1])) for p in pairs if isinstance(p, list) and len(p) == 2)

    def _list(self, data: bytes, what: str) -> Sequence[object]:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            raise StreamError(0, f"{self.path}: {what}", "JSON", "something else") from None
        if not isinstance(value, list):
            raise StreamError(0, f"{self.path}: {what}", "a list", type(value).__name__)
        return value


class Archive(_Source):
    """A zip file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip: zipfile.ZipFile | None = None

    def _open(self) -> zipfile.ZipFile:
        import zipfile  # noqa: PLC0415 - most who import this package never open the archive

        if self._zip is None:
            try:
                self._zip = zipfile.ZipFile(self.path)
            except (OSError, zipfile.BadZipFile) as error:
                raise StreamError(0, str(self.path), "a store of schemas", str(error)) from None
        return self._zip

    def _members(self) -> Iterable[str]:
        return self._open().namelist()

    def _read(self, member: str) -> bytes | None:
        try:
            return self._open().read(member)
        except KeyError:
            return None


class Folder(_Source):
    """A folder of files; one that is not there is empty."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _members(self) -> Iterable[str]:
        return [item.name for item in self.path.iterdir()] if self.path.is_dir() else []

    def _read(self, member: str) -> bytes | None:
        try:
            return (self.path / member).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StreamError(0, str(self.path / member), "a file", error.strerror or str(error)) from None


def members(known: Mapping[str, Sequence[Entry]], free: Iterable[tuple[str, str]]) -> dict[str, bytes]:
    """The members of a source that holds these schemas by vmsd name."""
    result = {}
    for vmsd, entries in sorted(known.items()):
        items = [{"seen": entry.seen, "schema": entry.schema.to_json()} for entry in entries]
        result[quote(vmsd, safe="") + _SUFFIX] = _text(items)
    pairs = sorted(set(free))
    if pairs:
        result[_FREE] = _text([list(pair) for pair in pairs])
    return result


def _text(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def write_archive(path: Path, known: Mapping[str, Sequence[Entry]], free: Iterable[tuple[str, str]]) -> None:
    """Write a zip file: the same schemas always give the same bytes."""
    import zipfile  # noqa: PLC0415

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in members(known, free).items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), data, zipfile.ZIP_DEFLATED, 9)


def write_folder(path: Path, known: Mapping[str, Sequence[Entry]], free: Iterable[tuple[str, str]]) -> None:
    """Write the files of a folder, made if it is not there; files of other vmsds stay."""
    path.mkdir(parents=True, exist_ok=True)
    for name, data in members(known, free).items():
        (path / name).write_bytes(data)
