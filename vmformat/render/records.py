"""A stream as lines: one for each record, below it its fields."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vmformat.channels.channel import checkpoints
from vmformat.channels.checkpoints import moments
from vmformat.command import Cmd, Command
from vmformat.errors import Fault, StreamError
from vmformat.framing import Kind
from vmformat.iterable.payloads import ITERABLE, iter_nodes
from vmformat.records import Eof, Span
from vmformat.render import commands
from vmformat.render.detail import Detail
from vmformat.render.fields import BLANK, Fold, Place, field_lines, leaf_line, offset_text, single_line
from vmformat.render.hints import Unknown
from vmformat.render.line import clean, plural, size
from vmformat.render.pages import RamReader, RamSummary
from vmformat.render.values import raw
from vmformat.section import Section
from vmformat.stream import package_records
from vmformat.tree import Structs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vmformat.node import Node
    from vmformat.paths import Match
    from vmformat.records import Record
    from vmformat.render.fields import Item
    from vmformat.render.line import Line, Part
    from vmformat.schema import Schemas
    from vmformat.stream import Stream

_GAP: Final = 24
"""Bytes of a stretch without records that are shown."""

MOST_NESTING: Final = 16
"""Packages in packages deeper than this are not looked into: streams may nest them by the thousand."""


class Records:
    """The lines of a stream's records. `unknown` and `faults` are filled as they are made."""

    def __init__(self, stream: Stream, schemas: Schemas | None = None, detail: Detail | None = None) -> None:
        self.stream = stream
        self.schemas = schemas
        self.detail = detail or Detail()
        self.unknown = Unknown()
        self.ram = RamReader()
        self.faults: list[Fault] = list(stream.faults)
        self.at = 0
        """Where the record stands that is being shown."""

    def lines(self) -> Iterator[Line]:
        """All of the stream."""
        stream = self.stream
        at = len(stream.leading)
        if at:
            yield _record(0, "", "LEADING", "", f" {plural(at, 'byte')}: {raw(stream.leading, _GAP)}")
        if stream.header.magic:
            yield _record(at, "", "HEADER", "", f" version {stream.header.version}")
        config = stream.configuration
        if config is not None:
            self.faults += config.faults
            yield _record(config.offset, "", "CONFIGURATION", clean(config.machine))
            place = Place("configuration", "configuration/")
            yield from field_lines(config.tree.children[1:], place, self.detail)
        yield from self._records(stream.records, (), "")
        if stream.trailing:
            at = start_of_trailing(stream)
            what = "VMDESCRIPTION" if stream.vmdescription is not None else "TRAILING"
            session = checkpoints(stream)
            behind = 0 if session is None else len(session.data)
            said = plural(len(stream.trailing) - behind, "byte")
            if len(stream.trailing) > behind:
                yield _record(at, "", what, "", f" {said}" + ("" if what[0] == "V" else " that nobody reads"))
            yield from self._session()

    def _session(self) -> Iterator[Line]:
        """The COLO session behind a stream."""
        for i, moment in enumerate(moments(self.stream, self.schemas, faults=self.faults)):
            yield _record(moment.offset, "", "COLO", moment.title, f", {plural(moment.size, 'byte')}")
            yield from self._records(moment.records, (len(self.stream.records) + i,), "  ")

    def matches(self, found: Sequence[Match]) -> Iterator[Line]:
        """Nodes that a pattern found, each below its record."""
        before: object = None
        for match in found:
            record = match.record
            if record is not before:
                yield self._head_of(match)
                before = record
            prefix = _prefix(record)
            device = record.name if isinstance(record, Section) else "configuration"
            parent = match.path[: len(match.path) - len(match.node.name)].removesuffix(".")
            place = Place(device, prefix, parent, config_around(match))
            single = single_line(match.node, replace(place, path=match.path, depth=1), self.detail)
            if not match.path and isinstance(record, Section) and record.is_ram:
                yield from self._pages([record])
            elif not match.path:
                yield from field_lines(self._children(match), place, self.detail)
            elif self.detail.flat:
                yield from field_lines([match.node], place, self.detail)
            elif match.node.value is not None and not match.node.inner:
                line = leaf_line(match.node, place, self.detail)
                yield (*line[:2], ("field", clean(match.path, 1024)), *line[3:])
            elif single is not None:
                yield (
                    ("offset", offset_text(match.node.offset)),
                    ("plain", "  "),
                    ("field", clean(match.path, 1024)),
                    ("plain", ": "),
                    *single,
                )
            else:
                yield ("offset", offset_text(match.node.offset)), ("plain", "  "), ("head", clean(match.path, 1024))
                inside = Place(device, prefix, match.path, config_of(match.node, place.config), 1)
                yield from field_lines(match.node.children, inside, self.detail)

    def _children(self, match: Match) -> Iterable[Item]:
        record = match.record
        if isinstance(record, Section) and record.name in ITERABLE:
            return self._rows(record)
        return match.node.children

    def _head_of(self, match: Match) -> Line:
        record = match.record
        number = ".".join(map(str, match.place))
        if isinstance(record, Section):
            return _section(record, number)
        if isinstance(record, Command):
            return _record(record.offset, number, "COMMAND", record.name, _behind(commands.said(record)))
        return _record(record.offset, "", "CONFIGURATION", clean(record.machine))

    def _records(self, records: Sequence[Record], place: tuple[int, ...], indent: str) -> Iterator[Line]:
        at = 0
        while at < len(records):
            record = records[at]
            number = ".".join(map(str, (*place, at)))
            end = self._alike(records, at)
            if end - at > 2:
                lines = self._many(records[at:end], number, ".".join(map(str, (*place, end - 1))))
                at = end
            else:
                lines = self._one(record, number, (*place, at))
                at += 1
            yield from lines if not indent else ((line[0], ("plain", indent), *line[1:]) for line in lines)

    def _alike(self, records: Sequence[Record], at: int) -> int:
        """Behind the last of the PART sections of RAM that follow each other from here on."""
        first, end = records[at], at
        if not self.detail.fold or not isinstance(first, Section) or first.kind is not Kind.PART or not first.is_ram:
            return at + 1
        while end < len(records):
            record = records[end]
            if not isinstance(record, Section) or record.kind is not Kind.PART or record.name != first.name:
                break
            end += 1
        return end

    def _one(self, record: Record, number: str, place: tuple[int, ...]) -> Iterator[Line]:
        self.at = record.offset
        if isinstance(record, Section):
            yield _section(record, number)
            yield from self._inside(record)
        elif isinstance(record, Command):
            yield _record(record.offset, number, "COMMAND", record.name, _behind(commands.said(record)))
            if record.cmd == Cmd.PACKAGED:
                yield from self._package(record, place)
            elif self.detail.depth != 0:
                for start, length in commands.ranges(record):
                    yield ("offset", BLANK), ("plain", "  "), ("value", f"{start:#x}..{start + length:#x}")
        elif isinstance(record, Eof):
            yield _record(record.offset, number, "EOF", "")
        elif isinstance(record, Span):
            yield _record(record.offset, number, "RAM", "", f" {size(record.size)}, not looked at (--ram does)")
        else:
            said = f" {plural(len(record.data), 'byte')}, no record"
            line = _record(record.offset, number, "GAP", "")
            yield (*line, ("fault", said), ("value", f": {raw(record.data, _GAP)}"))

    def _inside(self, section: Section) -> Iterator[Line]:
        if section.is_ram:
            yield from self._pages([section])
            return
        tree, fault = section.read_payload()
        if fault is not None:
            self.faults.append(fault)
            self.unknown.misfit.append(clean(section.name))
        if self.detail.depth == 0:
            return
        if section.schema is None and tree.size and section.name not in ITERABLE:
            self.unknown.nowhere.append(clean(section.name or "(unknown)"))
            said = "no schema" if section.name else "no section with this id came before"
            yield ("offset", BLANK), ("plain", "  "), ("fault", said)
        nodes: Iterable[Item] = tree.children if section.name not in ITERABLE else self._rows(section)
        yield from field_lines(nodes, Place(section.name, _prefix(section)), self.detail)

    def _rows(self, section: Section) -> Iterator[Item]:
        """The records of a dirty-bitmap or block section: as many as are to be shown, and never all at once."""
        limit = self.detail.limit
        for i, node in enumerate(iter_nodes(section.name, section.buffer, section.payload_offset, section.context)):
            if limit is not None and i >= limit:
                rest = section.payload_offset + len(section.buffer) - node.offset
                yield Fold(node.offset, rest, f"[{i}..]", f"{plural(rest, 'byte')} more, not shown")
                return
            yield node

    def _package(self, command: Command, place: tuple[int, ...]) -> Iterator[Line]:
        if len(place) > MOST_NESTING:
            yield ("offset", BLANK), ("plain", "  "), ("note", "nested too deep to be shown")
            return
        try:
            found: list[Fault] = []
            records = package_records(self.stream, command, self.schemas, faults=found)
        except StreamError as error:
            yield ("offset", BLANK), ("plain", "  "), ("fault", f"its records cannot be read: {error}")
            return
        self.faults += found
        yield from self._records(records, place, "  ")

    def _many(self, records: Sequence[Record], number: str, last: str) -> Iterator[Line]:
        sections = [record for record in records if isinstance(record, Section)]
        first = sections[0]
        total = sum(len(section.buffer) for section in sections)
        said = f" id {first.section_id}, {len(sections)} sections up to #{last}, {size(total)}"
        yield _record(first.offset, number, first.kind.name, clean(first.name), said)
        yield from self._pages(sections)

    def _pages(self, sections: Sequence[Section]) -> Iterator[Line]:
        """What ram sections hold, summed up."""
        found = RamSummary()
        for section in sections:
            for item in self.ram.walk(section):
                found.add(item)
        if self.detail.depth == 0:
            return
        yield from block_lines(found)
        for block, kinds in found.by_block().items():
            said = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
            shown = clean(block) if block is not None else "(no block)"
            word = "page" if sum(kinds.values()) == 1 else "pages"
            yield ("offset", BLANK), ("plain", "  "), ("field", shown), ("plain", ": "), ("value", f"{said} {word}")
        self.faults += found.faults
        for fault in found.faults:
            said = f"expected {clean(fault.expected)}, found {clean(fault.found)}"
            yield ("offset", offset_text(fault.offset)), ("plain", "  "), ("fault", said)


def block_lines(found: RamSummary) -> Iterator[Line]:
    """The list of RAM blocks."""
    width = max((len(clean(entry.name)) for entry in found.blocks), default=0)
    for entry in found.blocks:
        said = f"{entry.length:#x} bytes ({size(entry.length)})"
        said += "" if entry.page_size is None else f", pages of {entry.page_size:#x}"
        said += "" if entry.address is None else f" at {entry.address:#x}"
        name = clean(entry.name).ljust(min(width, 32))
        yield ("offset", offset_text(entry.offset)), ("plain", "  "), ("field", name), ("plain", "  "), ("value", said)


def end_of(record: Record) -> int:
    """The offset behind a record."""
    if isinstance(record, Section):
        return record.payload_offset + len(record.buffer) + len(record.foot())
    size = record.size if isinstance(record, Span) else len(record.to_bytes())
    return record.offset + size


def start_of_trailing(stream: Stream) -> int:
    """The offset behind the last record."""
    if stream.records:
        return end_of(stream.records[-1])
    config = stream.configuration
    if config is not None:
        return config.offset + len(config.to_bytes())
    return len(stream.leading) + len(stream.header.to_bytes())


def end_of_stream(stream: Stream) -> int:
    """How many bytes the stream has."""
    return start_of_trailing(stream) + len(stream.trailing)


def _record(offset: int, number: str, kind: str, name: str, said: str = "") -> tuple[Part, ...]:
    at: list[Part] = [("offset", offset_text(offset)), ("plain", " ")]
    if number:
        at += [("note", f"#{number}"), ("plain", " ")]
    named: list[Part] = [("plain", " "), ("name", name)] if name else []
    return (*at, ("kind", kind), *named, ("plain", said))


def _section(section: Section, number: str) -> Line:
    name = clean(section.name) or "(unknown)"
    said = f" instance {section.instance} id {section.section_id} version {section.version}"
    said += f", {plural(len(section.buffer), 'byte')}"
    line = _record(section.offset, number, section.kind.name, name, said)
    if section.footer is None:
        return (*line, ("note", ", no footer"))
    return line if section.footer == section.section_id else (*line, ("fault", f", footer {section.footer}"))


def _behind(said: str) -> str:
    return f", {said}" if said else ""


def _prefix(record: object) -> str:
    """What a path begins with that `paths` understands."""
    if isinstance(record, Section):
        return f"{record.name}@{record.instance}/"
    return f"{record.name}/" if isinstance(record, Command) else "configuration/"


def config_around(match: Match) -> bytes | None:
    """The config space that a found node is in, if it is in one."""
    tree, path = match.record.tree, match.path
    while path:
        config = config_of(tree)
        if config is not None or isinstance(tree.inner, Structs):
            return config
        inner = [c for c in tree.children if path.startswith(c.name) and path[len(c.name) :][:1] in {"", ".", "[", "@"}]
        at = match.node.offset
        inner = [child for child in inner if child.offset <= at < child.end]
        if not inner:
            return None
        tree = inner[0]
        path = path[len(tree.name) :].removeprefix(".")
    return None


def config_of(node: Node, outer: bytes | None = None) -> bytes | None:
    """The config space that a node is, else `outer`."""
    return node.value if node.type == "pci config" and isinstance(node.value, bytes) else outer
