"""Edits made on a stream: which fields and records are meant, what comes out, what is said of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from vmformat import paths
from vmformat.command import Command
from vmformat.configuration import SCHEMA as CONFIGURATION
from vmformat.configuration import Configuration
from vmformat.edit.changes import Change, label
from vmformat.edit.description import Description
from vmformat.edit.edits import Add, Assign, Remove, parse_edit
from vmformat.edit.following import entries_of, followed
from vmformat.edit.heads import NAMES, with_head, with_header
from vmformat.edit.mover import Mover
from vmformat.edit.payload import (
    Payload,
    find_chain,
    missing_subsections,
    rebuilt,
    with_subsection,
    without_row,
    write_leaf,
)
from vmformat.edit.records import Slots
from vmformat.edit.words import integer_type, new_element, new_value, shown
from vmformat.errors import StreamError
from vmformat.iterable.payloads import ITERABLE
from vmformat.section import Section
from vmformat.store import schemas_for
from vmformat.text.values import TextError, ValueFault, read_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vmformat.edit.edits import Edit
    from vmformat.edit.payload import Place as ValuePlace
    from vmformat.node import Node
    from vmformat.paths import Place
    from vmformat.records import Record
    from vmformat.schema import Schema, Schemas
    from vmformat.stream import Stream

_INDEXED: Final = re.compile(r"(?P<pattern>.+)(?P<index>\[(?:\*|\d+(?:\.\.\d+)?)\])", re.DOTALL)
_INDEX: Final = re.compile(r"\[(?:(\*)|(\d+)(?:\.\.(\d+))?)\]")
_HEADER: Final = {"version": "version", "header/version": "version", "header/magic": "magic"}
_MOST_INDEX: Final = 9
_MOST_PAYLOAD: Final = 0xFFFF


def apply(
    stream: Stream, edits: Iterable[Edit | str], schemas: Schemas | None = None, *, raw: bool = False
) -> tuple[Stream, tuple[Change, ...]]:
    """The stream with those edits made, and what each of them did.

    First fields, in the order given, each edit on what the one before it left; then records, whose patterns and places
    (`#17`) all mean the stream as it came. What depends on a field follows, and so does the VMDESCRIPTION where
    sections were dropped, repeated, moved or renamed; with `raw` nothing does. `schemas`: for what stands in packages,
    and for subsections that the stream's own description has not seen. Raises StreamError, in one line, if an edit
    finds nothing or cannot be made.
    """
    parsed = [parse_edit(edit) if isinstance(edit, str) else edit for edit in edits]
    stream = stream.whole()
    described = None if raw else Description.of(stream.trailing)
    entries = entries_of(stream, described, schemas)
    changes: list[Change] = []
    mover = Mover([edit for edit in parsed if not isinstance(edit, Assign | Add | Remove)], stream, schemas)
    editor = _Editor(stream, schemas, changes, raw=raw)
    for edit in parsed:
        if isinstance(edit, Assign | Add | Remove):
            editor.field(edit)
    slots = Slots(editor.stream, schemas)
    for place, (number, size) in entries.items():
        slot = slots.at(place)
        slot.entry, slot.size = number, size
    changes += mover.move(slots)
    result = slots.result()
    if described is not None:
        result = followed(result, slots, described, {number for number, _ in entries.values()})
    return result, tuple(changes)


@dataclass(frozen=True, slots=True)
class _Target:
    """A node that an assignment means; `indices` of its elements, or all of it; its length."""

    path: str
    node: Node
    indices: tuple[int, ...] | None = None
    length: bool = False


class _Editor:
    """Changes of fields, one after the other."""

    def __init__(self, stream: Stream, schemas: Schemas | None, changes: list[Change], *, raw: bool) -> None:
        self.stream, self.schemas, self.changes, self.raw = stream, schemas, changes, raw

    def field(self, edit: Assign | Add | Remove) -> None:
        """One edit. Raises StreamError if it finds nothing."""
        before = len(self.changes)
        if isinstance(edit, Assign):
            self._assign(edit)
        else:
            self._subsections(edit)
        if len(self.changes) == before:
            raise TextError(_said(edit), 0, "a pattern that finds a field", "nothing of that name in the stream")

    def _assign(self, edit: Assign) -> None:
        try:
            if edit.pattern in _HEADER:
                name = _HEADER[edit.pattern]
                header, old, new = with_header(self.stream.header, name, edit.operator, edit.value)
                self.stream = replace(self.stream, header=header)
                self.changes.append(Change("header", name, old, new))
                return
            record, _, name = edit.pattern.rpartition("/")
            if name in NAMES and record:
                self._heads(record, name, edit)
                return
        except ValueFault as fault:
            raise TextError(edit.pattern, 0, fault.expected, fault.found) from None
        for (place, record_), targets in self._targets(edit.pattern).items():
            self._write(place, record_, targets, edit)

    def _heads(self, pattern: str, name: str, edit: Assign) -> None:
        for place, record in list(paths.walk_records(self.stream, self.schemas)):
            if isinstance(record, Section | Command) and paths.fits(pattern, place, record):
                changed = with_head(record, name, edit.operator, edit.value, raw=self.raw)
                if changed is not None:
                    self._put(place, changed.record)
                    self.changes.append(Change(label(place, record), name, changed.old, changed.new))

    def _put(self, place: Place, record: Record) -> None:
        slots = Slots(self.stream, self.schemas)
        slots.put(place, record)
        self.stream = slots.result()

    def _targets(self, pattern: str) -> dict[tuple[Place, Section | Command | Configuration], list[_Target]]:
        found: dict[tuple[Place, Section | Command | Configuration], list[_Target]] = {}
        matches = paths.find(self.stream, pattern, self.schemas)
        length = False
        if not matches and pattern.endswith("@length"):
            matches, length = paths.find(self.stream, pattern.removesuffix("@length"), self.schemas), True
        index = _INDEXED.fullmatch(pattern) if not matches else None
        if index is not None:
            matches = paths.find(self.stream, index["pattern"], self.schemas)
        chosen: dict[Place, Section | Command | Configuration] = {}
        for match in matches:
            if not match.path:
                raise TextError(pattern, 0, "a field of a record, PATTERN/FIELD", "a record")
            indices = None
            if index is not None:
                indices = _indices(index["index"], match.node)
                if not indices:
                    continue
            record = chosen.setdefault(match.place, match.record)
            found.setdefault((match.place, record), []).append(_Target(match.path, match.node, indices, length))
        return found

    def _write(
        self, place: Place, record: Section | Command | Configuration, targets: list[_Target], edit: Assign
    ) -> None:
        where = label(place, record)
        payload = before = _payload_of(record)
        done: list[Change] = []
        # From the last to the first, so that what moves other bytes moves none of those that are still to come.
        for target in reversed(targets):
            node = target.node if payload.tree is before.tree else find_chain(payload.tree, target.path)[-1]
            try:
                payload, changes = self._one(payload, replace(target, node=node), edit)
            except ValueFault as fault:
                raise TextError(f"{where}/{target.path}", 0, fault.expected, fault.found) from None
            except StreamError as error:
                raise TextError(f"{where}/{error.path or target.path}", 0, error.expected, error.found) from None
            done += [Change(where, *change) for change in reversed(changes)]
        self.changes += reversed(done)
        self._store(place, record, payload)

    def _one(self, payload: Payload, target: _Target, edit: Assign) -> tuple[Payload, list[tuple[str, str, str]]]:
        """The payload with one node changed; path, old and new of everything that was."""
        node, path = target.node, target.path
        if target.length:
            return self._resize(payload, target, edit)
        type_ = integer_type(node)
        if target.indices is not None:
            value, said = node.value, []
            for index in target.indices:
                new = new_element(replace(node, value=value), index, edit.operator, edit.value)
                said.append((f"{path}[{index}]", shown(_item(value, index), type_), shown(_item(new, index), type_)))
                value = new
            assert value is not None
            return write_leaf(payload, path, node, value, raw=self.raw), said
        # The block that a command names is a string, though its length is a leaf by itself.
        typed = replace(node, type="string") if node.name == "block" and payload.schema is None else node
        variable = not isinstance(node.value, int) and payload.variable(path, node)
        value = new_value(typed, edit.operator, edit.value, variable=variable)
        old = "its fields" if node.value is None else shown(node.value, type_)
        result = write_leaf(payload, path, node, value, raw=self.raw)
        if node.value is None and not self.raw:
            result = result.fresh()
        return result, [(path, old, shown(value, type_))]

    def _resize(self, payload: Payload, target: _Target, edit: Assign) -> tuple[Payload, list[tuple[str, str, str]]]:
        length = read_integer(edit.value, "uint32")
        if edit.operator != "=":
            raise ValueFault("= for a length", edit.operator)
        node = target.node
        was = (
            len(node.value) if isinstance(node.value, bytes | tuple) else sum(c.name[:1] == "[" for c in node.children)
        )
        said = [(f"{target.path}@length", str(was), str(length))]
        front = node.size - was if node.type in {"string", "vbuffer"} else 0
        if not self.raw:
            return rebuilt(payload, target.path, lambda place: place.resize(length)), said
        if not front or length >> 8 * front:
            raise ValueFault("a string and a length that its count can tell, for a raw edit", f"{node.type}, {length}")
        return payload.written(payload.local(node), front, length.to_bytes(front, "big")), said

    def _store(
        self,
        place: Place,
        record: Section | Command | Configuration,
        payload: Payload,
        schema: Schema | None = None,
    ) -> None:
        if isinstance(record, Configuration):
            slots = Slots(replace(self.stream, configuration=replace(record, payload=payload.data)), self.schemas)
            self.stream = slots.result()
        elif isinstance(record, Section):
            changed = record.replace_payload(payload.data)
            self._put(place, changed if schema is None else replace(changed, schema=schema))
        elif record.package or record.outside or len(payload.data) > _MOST_PAYLOAD:
            expected = "what follows from the package" if record.package else "at most 65535 bytes"
            raise TextError(label(place, record), 0, expected, payload.data[:8].hex())
        else:
            self._put(place, replace(record, payload=payload.data))

    def _subsections(self, edit: Add | Remove) -> None:
        pattern = paths.FieldPattern(edit.field)
        for place, record in list(paths.walk_records(self.stream, self.schemas)):
            if isinstance(record, Section) and paths.fits(edit.record, place, record):
                self._subsections_of(place, record, edit, pattern)
        config = self.stream.configuration
        if config is not None and paths.fits(edit.record, (), config):
            self._subsections_of((), config, edit, pattern)

    def _subsections_of(
        self, place: Place, record: Section | Configuration, edit: Add | Remove, pattern: paths.FieldPattern
    ) -> None:
        try:
            if isinstance(edit, Add):
                self._add(place, record, pattern)
            else:
                self._remove(place, record, pattern)
        except StreamError as error:
            where = f"{label(place, record)}/{error.path or edit.field}"
            raise TextError(where, 0, error.expected, error.found) from None

    def _add(self, place: Place, section: Section | Configuration, pattern: paths.FieldPattern) -> None:
        for payload, schema in self._readings(section):
            found = [item for item in missing_subsections(payload) if pattern.matches(item[2])]
            for owner, sub, _ in found:
                payload = with_subsection(payload, owner, sub)
            if found:
                self.changes += [Change(label(place, section), path, "", "added") for _, _, path in found]
                self._store(place, section, payload, schema)
                return

    def _readings(self, record: Section | Configuration) -> Iterator[tuple[Payload, Schema | None]]:
        """The payload as its schema has it, then as others do that know more subsections."""
        yield _payload_of(record), None
        if isinstance(record, Section) and record.name not in ITERABLE:
            known = (self.schemas or {}).get((record.name, record.instance))
            others = schemas_for(record.name, record.version)
            for schema in others if known is None else (known, *others):
                yield Payload.read(schema, record.payload, record.version, record.tree), schema

    def _remove(self, place: Place, section: Section | Configuration, pattern: paths.FieldPattern) -> None:
        payload = _payload_of(section)
        found = [path for path, _ in pattern.find(section.tree)]
        for path in reversed(found):
            payload = without_row(payload, path) if payload.rows else rebuilt(payload, path, _gone)
        if found:
            self.changes += [Change(label(place, section), path, "", "removed") for path in found]
            self._store(place, section, payload)


def _gone(place: ValuePlace) -> None:
    place.remove()


def _said(edit: Assign | Add | Remove) -> str:
    if isinstance(edit, Assign):
        return edit.pattern
    return f"{edit.record}/{'+' if isinstance(edit, Add) else '-'}{edit.field}"


def _payload_of(record: Section | Command | Configuration) -> Payload:
    if isinstance(record, Section):
        if record.name in ITERABLE and record.schema is None:
            return Payload(record.payload, record.tree, None, 0, rows=record.name, context=record.context)
        return Payload.read(record.layout, record.payload, record.version, record.tree)
    if isinstance(record, Configuration):
        return Payload.read(CONFIGURATION, record.payload, 0, record.tree)
    return Payload(record.payload, record.tree, None, 0)


def _indices(text: str, node: Node) -> tuple[int, ...]:
    """Which elements of an array of numbers or bytes are meant."""
    match = _INDEX.fullmatch(text)
    if match is None or not isinstance(node.value, bytes | tuple):
        return ()
    length = len(node.value)
    if match[1]:
        return tuple(range(length))
    first, last = match[2], match[3] or match[2]
    if len(first) > _MOST_INDEX or len(last) > _MOST_INDEX:
        return ()
    return tuple(range(int(first), min(int(last) + 1, length)))


def _item(value: object, index: int) -> object:
    return value[index] if isinstance(value, bytes | tuple) else None
