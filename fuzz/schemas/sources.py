"""Schemas from a file that somebody has: a stream, a machine description, `-dump-vmstate` output, one of our own."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from fuzz.corpus import CorpusError, find_machine, find_stream
from model import DescriptionError, parse, section_schemas
from vmformat import StreamError, store
from vmformat.dump_vmstate import descriptions, guessed
from vmformat.schema import Schema
from vmformat.store.archive import Archive, Entry
from vmformat.store.learn import Learner
from vmformat.stream import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from vmformat.stream import Stream

Known = dict[str, list[Entry]]
"""Schemas by vmsd name, those seen most often first."""

_ZIP = b"PK"


class SchemaError(Exception):
    """A file that has no schemas, in one line."""


def from_store() -> list[tuple[str, Entry]]:
    """All that the store has, each with where it comes from: `shipped`, or the user's folder."""
    shipped = store.shipped()
    return [("shipped" if source is shipped else str(source.path), entry) for source, entry in store.entries()]


def from_machine(name: str) -> Known:
    """Those of a machine description. Raises CorpusError, DescriptionError, StreamError."""
    return _counted(section_schemas(parse(find_machine(name).description.read_bytes())).values())


def from_file(text: str) -> Known:
    """Those of a file, whatever it is. Raises SchemaError, CorpusError, StreamError, OSError."""
    path = find_stream(text)
    data = path.read_bytes()
    if data[:2] == _ZIP:
        source = Archive(path)
        return {name: list(source.entries(name)) for name in source.names()}
    if data[:1] not in {b"{", b"["}:
        return _from_stream(data, text)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise SchemaError(f"{text}: neither a stream nor JSON") from None
    if isinstance(value, list):
        return _from_list(value, text)
    if "vmschkmachine" in value:
        return _from_dump(value)
    if "sections" in value and "schemas" in value:
        try:
            return _counted(section_schemas(parse(data)).values())
        except DescriptionError as error:
            raise SchemaError(f"{text}: {error}") from None
    if "name" in value and "fields" in value:
        return _counted([Schema.from_json(value)])
    raise SchemaError(f"{text}: no stream, machine description, -dump-vmstate output or schema")


def _from_stream(data: bytes, text: str) -> Known:
    """What its VMDESCRIPTION tells."""
    found = _read_own(data)
    if found.vmdescription is None:
        raise SchemaError(f"{text}: the stream has no VMDESCRIPTION")
    learner = Learner()
    for section in found.sections:
        learner.add(section)
    return _by_name(learner)


def _read_own(data: bytes) -> Stream:
    """With footers or without."""
    try:
        return read(data, footers=True)
    except StreamError:
        return read(data, footers=False)


def _by_name(learner: Learner, dumps: Iterable[Mapping[str, Any]] = ()) -> Known:
    known: Known = defaultdict(list)
    for (name, _), learnt in learner.schemas(tuple(dumps)).items():
        known[name] += [Entry(one.schema, one.seen) for one in learnt]
    return dict(known)


def _from_list(value: list[Any], text: str) -> Known:
    """A file of a store's folder."""
    schemas = [item.get("schema", item) if isinstance(item, dict) else item for item in value]
    if not schemas:
        raise SchemaError(f"{text}: an empty list")
    return _counted([Schema.from_json(schema) for schema in schemas])


def _from_dump(value: Mapping[str, Any]) -> Known:
    """Of devices only, with types guessed by size."""
    try:
        return _counted(guessed(item) for several in descriptions(value).values() for item in several)
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise SchemaError("-dump-vmstate output of an unknown form") from None


def _counted(schemas: Iterable[Schema]) -> Known:
    counts: dict[Schema, int] = {}
    for schema in schemas:
        counts[schema] = counts.get(schema, 0) + 1
    known: Known = defaultdict(list)
    for schema, seen in sorted(counts.items(), key=lambda item: -item[1]):
        known[schema.name].append(Entry(schema, seen))
    return dict(known)


def joined(first: Known, second: Known) -> Known:
    """Both: what stands in both counts as often as it was seen in all."""
    result = {name: list(entries) for name, entries in first.items()}
    for name, entries in second.items():
        known = {entry.schema: entry.seen for entry in result.get(name, ())}
        for entry in entries:
            known[entry.schema] = known.get(entry.schema, 0) + entry.seen
        result[name] = [Entry(schema, seen) for schema, seen in sorted(known.items(), key=lambda item: -item[1])]
    return result


def matching(known: Known, names: Iterable[str]) -> Known:
    """Those of some names; of all without any. Raises SchemaError for a name that is not there."""
    wanted = tuple(names)
    for name in wanted:
        if name not in known:
            raise SchemaError(f"{name}: no schema of that name")
    return {name: known[name] for name in wanted} if wanted else known


def read_folder(folder: Path) -> Known:
    """What a user's folder has by now."""
    source = store.Folder(folder)
    return {name: list(source.entries(name)) for name in source.names()}


__all__ = [
    "CorpusError",
    "Known",
    "SchemaError",
    "from_file",
    "from_machine",
    "from_store",
    "joined",
    "matching",
    "read_folder",
]
