"""Two streams, record by record."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal

from vmformat import paths
from vmformat.command import Cmd, Command
from vmformat.diff.description import compare_descriptions
from vmformat.diff.difference import Difference
from vmformat.diff.fields import Side, compare
from vmformat.diff.pages import compare_ram
from vmformat.errors import StreamError
from vmformat.framing import NAMED
from vmformat.records import Gap
from vmformat.section import Section
from vmformat.stream import Stream
from vmformat.vmdescription import find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.configuration import Configuration
    from vmformat.diff.difference import Kind
    from vmformat.paths import Place
    from vmformat.records import Record
    from vmformat.schema import Schemas

_HEAD: Final = ("@kind", "@id", "@version", "@footer")


@dataclass(frozen=True, slots=True)
class _Item:
    """A record that can be matched with one of the other stream."""

    place: Place
    record: Section | Command | Gap
    name: str


def diff(
    one: Stream, other: Stream, schemas: Schemas | None = None, other_schemas: Schemas | None = None
) -> Iterator[Difference]:
    """All differences, in the order of the first stream.

    Sections are matched by name and instance, commands by name, of several the first with the first; records in
    packages like any others. RAM is compared by what pages hold in the end, not by how they were sent. If nothing of
    all this differs but the bytes do, that is the one difference. `schemas`, `other_schemas`: for what stands in
    packages. Raises nothing for streams that were read tolerantly.
    """
    one, other = _whole_stream(one), _whole_stream(other)
    none = True
    for found in _all(one, other, schemas, other_schemas):
        none = False
        yield found
    if none and _digest(one) != _digest(other):
        yield Difference("bytes", "changed", "bytes", text="the same fields and pages, in other records or packages")


def _whole_stream(stream: Stream) -> Stream:
    """With all its records, if they can be read."""
    try:
        return stream.whole()
    except StreamError:
        return stream


def _digest(stream: Stream) -> bytes:
    digest = blake2b()
    for piece in stream.pieces():
        digest.update(piece)
    return digest.digest()


def _all(one: Stream, other: Stream, schemas: Schemas | None, other_schemas: Schemas | None) -> Iterator[Difference]:
    if one.leading != other.leading:
        yield Difference("bytes", "changed", "bytes", "leading", one.leading, other.leading, "buffer")
    for name, old, new in (
        ("magic", one.header.magic, other.header.magic),
        ("version", one.header.version, other.header.version),
    ):
        if old != new:
            yield Difference("header", "changed", "header", name, old, new, "uint32" if name == "version" else "buffer")
    yield from _configuration(one.configuration, other.configuration)
    # Packages are opened once: a stream may be full of them.
    mine, theirs = list(paths.walk_records(one, schemas)), list(paths.walk_records(other, other_schemas))
    yield from compare_ram(_ram_of(one, mine), _ram_of(other, theirs))
    yield from _records(_items(mine), _items(theirs))
    yield from compare_descriptions(one.vmdescription, other.vmdescription)
    rest, other_rest = _rest(one.trailing), _rest(other.trailing)
    if rest != other_rest:
        yield Difference("bytes", "changed", "bytes", "trailing", rest, other_rest, "buffer")


def _rest(trailing: bytes) -> bytes:
    """What stands behind the stream's end and is no description."""
    found = find(trailing)
    return trailing if found is None else trailing[: found[0] - 5] + trailing[found[1] :]


def _configuration(one: Configuration | None, other: Configuration | None) -> Iterator[Difference]:
    if one is None or other is None:
        if one is not other:
            what: Literal["added", "dropped"] = "added" if one is None else "dropped"
            yield Difference("configuration", what, "configuration", subject=one or other)
        return
    if one.payload == other.payload:
        return
    try:
        sides = Side(one.tree, one.payload), Side(other.tree, other.payload)
    except StreamError:
        yield Difference("configuration", "changed", "configuration", "", one.payload, other.payload, "buffer")
        return
    yield from _fields("configuration", "configuration", (), one, *sides)


def _ram_of(stream: Stream, records: list[tuple[Place, Record]]) -> Stream:
    """A stream of the ram sections only, those in packages too."""
    sections = [record for _, record in records if isinstance(record, Section) and record.is_ram]
    return Stream(stream.header, stream.configuration, tuple(sections))


def _items(records: list[tuple[Place, Record]]) -> dict[tuple[str, ...], _Item]:
    """Records by what they are called and which of those with that name they are. RAM is compared elsewhere."""
    found: dict[tuple[str, ...], _Item] = {}
    counts: dict[tuple[str, ...], int] = {}
    for place, record in records:
        named = _named(record)
        if named is None or not isinstance(record, Section | Command | Gap):
            continue
        key, name = named
        count = counts[key] = counts.get(key, -1) + 1
        found[*key, str(count)] = _Item(place, record, f"{name}#{count}" if count else name)
    return found


def _named(record: Record) -> tuple[tuple[str, ...], str] | None:
    if isinstance(record, Section):
        if record.is_ram:
            return None
        kind = "" if record.kind in NAMED else record.kind.name
        name = record.name or f"section {record.section_id}"
        shown = f"{name}@{record.instance}" if record.instance else name
        return ("section", kind, name, str(record.instance)), f"{shown}:{kind}" if kind else shown
    if isinstance(record, Command):
        return ("command", record.name), record.name
    return (("bytes",), "bytes") if isinstance(record, Gap) else None


def _records(one: dict[tuple[str, ...], _Item], other: dict[tuple[str, ...], _Item]) -> Iterator[Difference]:
    order = {key: i for i, key in enumerate(key for key in other if key in one)}
    common = [key for key in one if key in other]
    moved = _moved([order[key] for key in common])
    moves = {key for key, is_moved in zip(common, moved, strict=True) if is_moved}
    before: tuple[str, ...] | None = None
    added: dict[tuple[str, ...] | None, list[_Item]] = {}
    for key, item in other.items():
        if key in one:
            before = key
        else:
            added.setdefault(before, []).append(item)
    previous = {key: last for last, key in zip([None, *other], other, strict=False)}
    yield from (_whole(item, "added") for item in added.get(None, ()))
    for key, item in one.items():
        partner = other.get(key)
        if partner is None:
            yield _whole(item, "dropped")
            continue
        if key in moves:
            last = previous[key]
            text = f"now behind {other[last].name}" if last is not None else "now first"
            yield Difference("record", "moved", item.name, text=text, place=item.place, subject=item.record)
        yield from _pair(item, partner)
        yield from (_whole(new, "added") for new in added.get(key, ()))


def _whole(item: _Item, what: Literal["added", "dropped"]) -> Difference:
    record = item.record
    if isinstance(record, Section):
        text = f"{record.kind.name}, version {record.version}, {len(record.buffer)} bytes"
    else:
        text = f"{len(record.payload) if isinstance(record, Command) else len(record.data)} bytes"
    return Difference("record", what, item.name, text=text, place=item.place, subject=record)


def _moved(order: list[int]) -> list[bool]:
    """Which of a row of numbers stand out of order: all that are not of a longest growing part of it."""
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for i, number in enumerate(order):
        at = bisect_left(tails, number)
        before.append(ends[at - 1] if at else -1)
        if at == len(tails):
            tails.append(number)
            ends.append(i)
        else:
            tails[at], ends[at] = number, i
    result = [True] * len(order)
    i = ends[-1] if ends else -1
    while i >= 0:
        result[i] = False
        i = before[i]
    return result


def _pair(one: _Item, other: _Item) -> Iterator[Difference]:
    a, b = one.record, other.record
    if isinstance(a, Section) and isinstance(b, Section):
        yield from _head(one, a, b)
        if a.payload != b.payload:
            sides = Side(a.decoded(), a.payload), Side(b.decoded(), b.payload)
            yield from _fields("field", one.name, one.place, a, *sides)
    elif isinstance(a, Command) and isinstance(b, Command):
        if a.payload == b.payload or a.cmd == Cmd.PACKAGED:  # what is in a package is compared by itself
            return
        sides = Side(a.tree, a.payload), Side(b.tree, b.payload)
        yield from _fields("field", one.name, one.place, a, *sides)
    elif isinstance(a, Gap) and isinstance(b, Gap) and a.data != b.data:
        yield Difference("bytes", "changed", one.name, "", a.data, b.data, "buffer", place=one.place, subject=a)


def _head(item: _Item, a: Section, b: Section) -> Iterator[Difference]:
    for name, old, new in (
        ("@kind", a.kind.name, b.kind.name),
        ("@id", a.section_id, b.section_id),
        ("@version", a.version, b.version),
    ):
        if old != new:
            yield Difference("head", "changed", item.name, name, old, new, "uint32", place=item.place, subject=a)
    feet = [None if s.footer == s.section_id else "none" if s.footer is None else s.footer for s in (a, b)]
    if feet[0] != feet[1]:
        old_foot, new_foot = ("as the id" if foot is None else foot for foot in feet)
        yield Difference(
            "head", "changed", item.name, "@footer", old_foot, new_foot, "uint32", place=item.place, subject=a
        )


def _fields(
    kind: Kind, name: str, place: Place, subject: Section | Command | Configuration, a: Side, b: Side
) -> Iterator[Difference]:
    plain = Difference(kind, "changed", name, place=place, subject=subject)
    for found in compare(a, b):
        what: Literal["changed", "added", "dropped"] = "changed"
        if found.what in {"added", "dropped"}:
            what = "added" if found.what == "added" else "dropped"
        yield replace(plain, what=what, path=found.path, old=found.old, new=found.new, type=found.type, text=found.text)
