"""Every byte of a stream, in order, under a name: what `hexdump` prints.

The pieces tile the stream from its first byte to its last: what no field covers (the heads of subsections, bytes that
nobody reads) is a piece of its own. Long stretches that nobody wants to see byte by byte are pieces too, that say so in
`folded`: RAM pages, runs of equal elements, the VMDESCRIPTION.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmformat.command import Cmd, Command
from vmformat.errors import Fault, StreamError
from vmformat.node import Node, join
from vmformat.records import Eof, Span
from vmformat.render.fields import Fold, is_leaf, items
from vmformat.render.line import plural
from vmformat.render.pages import Block, RamReader
from vmformat.render.records import MOST_NESTING, end_of
from vmformat.section import Section
from vmformat.stream import package_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vmformat.paths import Match
    from vmformat.records import Record
    from vmformat.render.detail import Detail
    from vmformat.schema import Schemas
    from vmformat.stream import Stream


@dataclass(frozen=True, slots=True)
class Piece:
    """`data` at `offset`; `record` and `group` (a path in it) are what it belongs to, `name` what it is in there.

    `folded`: in words what is there, if the bytes are not to be shown; `data` is empty then and `size` tells how many.
    """

    offset: int
    size: int
    record: str
    group: str
    name: str
    data: bytes = b""
    folded: str = ""


class Pieces:
    """The pieces of a stream, or of some of its records."""

    def __init__(self, stream: Stream, schemas: Schemas | None, detail: Detail) -> None:
        self.stream = stream
        self.schemas = schemas
        self.detail = detail
        self._ram = RamReader()

    def all(self) -> Iterator[Piece]:
        """The whole stream."""
        stream = self.stream
        yield from _whole(0, stream.leading, "leading", "(not read)")
        at = len(stream.leading)
        head = stream.header.to_bytes()
        yield from _cut(at, head, "header", (("magic", 4), ("version", 4)))
        at += len(head)
        if stream.configuration is not None:
            data = stream.configuration.to_bytes()
            yield Piece(at, 1, "configuration", "", "type", data[:1])
            yield from self._tree(stream.configuration.tree.children, "configuration", data[1:], at + 1)
            at += len(data)
        for record in stream.records:
            yield from self.record(record)
            at = end_of(record)
        yield from self._trailing(at)

    def matching(self, found: Iterable[Match]) -> Iterator[Piece]:
        """Nodes that a pattern found."""
        for match in found:
            record = match.record
            if isinstance(record, Section):
                group, payload, start = self._group(record), record.payload, record.payload_offset
            elif isinstance(record, Command):
                group, payload, start = f"COMMAND {record.name}", record.payload, record.tree.offset
            else:
                group, payload, start = "configuration", record.payload, record.offset + 1
            if match.path:
                parent = match.path[: len(match.path) - len(match.node.name)].removesuffix(".")
                yield from self._leaves([match.node], group, payload, start, parent)
            elif isinstance(record, Section) and record.is_ram and self.detail.fold:
                yield from self._pages(record, group, record.payload, start)
            else:
                yield from self._tree(match.node.children, group, payload, start)

    @staticmethod
    def _group(section: Section) -> str:
        return f"{section.kind.name} {section.name or '(unknown)'}@{section.instance}"

    def record(self, record: Record, depth: int = 0) -> Iterator[Piece]:
        """One record. `depth`: of packages around it."""
        if isinstance(record, Section):
            yield from self._section(record)
        elif isinstance(record, Command):
            yield from self._command(record, depth)
        elif isinstance(record, Eof):
            yield Piece(record.offset, 1, "EOF", "", "type", record.to_bytes())
        elif isinstance(record, Span):
            yield Piece(record.offset, record.size, "RAM", "", "records", b"", "not looked at")
        else:
            yield Piece(record.offset, len(record.data), "GAP", "", "(no record)", record.data)

    def _section(self, section: Section) -> Iterator[Piece]:
        group = self._group(section)
        head = section.head()
        layout = [("type", 1), ("section_id", 4)]
        if len(head) > 5:
            layout += [("name", 1 + head[5]), ("instance", 4), ("version", 4)]
        yield from _cut(section.offset, head, group, layout)
        payload, at = section.payload, section.payload_offset
        if not section.is_ram:
            yield from self._tree(section.decoded().children, group, payload, at)
        elif self.detail.fold:
            yield from self._pages(section, group, payload, at)
        else:
            yield Piece(at, len(payload), group, "", "payload", payload)
        yield from _cut(at + len(payload), section.foot(), group, (("footer", 1), ("section_id", 4)))

    def _pages(self, section: Section, group: str, payload: bytes, start: int) -> Iterator[Piece]:
        at = start
        for item in self._ram.walk(section):
            if isinstance(item, Fault):
                break
            if item.offset > at:
                yield Piece(at, item.offset - at, group, "", "word", payload[at - start : item.offset - start])
            if isinstance(item, Block):
                at = item.offset
                size = 9 + len(item.name)
                data = payload[at - start : at - start + size]
                yield from _cut(at, data, group, (("block", 1 + len(item.name)), ("length", 8)))
                at += size
            else:
                at = item.offset + item.size
                block = item.block if item.block is not None else "(no block)"
                said = f"{plural(item.pages, item.kind + ' page')} at {item.address:#x}"
                yield Piece(item.offset, item.size, group, "", block, b"", said)
        if at < start + len(payload):
            yield Piece(at, start + len(payload) - at, group, "", "end", payload[at - start :])

    def _command(self, command: Command, depth: int) -> Iterator[Piece]:
        inside, outside = command.halves()
        data = inside if depth else inside + outside
        group = f"COMMAND {command.name}"
        yield from _cut(command.offset, data[:5], group, (("type", 1), ("command", 2), ("length", 2)))
        at, payload = command.offset + 5, data[5 : 5 + len(command.payload)]
        if depth and command.from_main:
            return  # what it takes stands behind the outermost package
        if command.package_apart:
            yield from _whole(at, payload, group, "payload")
        else:
            yield from self._tree(command.tree.children, group, payload, at)
        if command.cmd != Cmd.PACKAGED:
            return
        at = command.package_offset
        end = at + len(command.package)
        if command.package:
            for record in self._records(command, depth):
                if not at <= record.offset < end:
                    break
                unread = command.package[at - command.package_offset : record.offset - command.package_offset]
                yield from _whole(at, unread, group, "(not read)")
                at = record.offset
                for piece in self.record(record, depth + 1):
                    yield piece
                    at = piece.offset + piece.size
        yield from _whole(at, command.package[at - command.package_offset :], group, "(not read)")
        yield from _whole(end, command.outside, group, "(for commands in the package)")

    def _records(self, command: Command, depth: int) -> Sequence[Record]:
        if depth >= MOST_NESTING:
            return ()
        try:
            return package_records(self.stream, command, self.schemas, faults=[])
        except StreamError:
            return ()

    def _trailing(self, at: int) -> Iterator[Piece]:
        data = self.stream.trailing
        if self.stream.vmdescription is None:
            yield from _whole(at, data, "TRAILING", "(not read)")
            return
        text = self.stream.vmdescription
        start = data.find(text)
        yield from _whole(at, data[: start - 5], "TRAILING", "(not read)")
        yield from _cut(at + start - 5, data[start - 5 : start], "VMDESCRIPTION", (("type", 1), ("length", 4)))
        if self.detail.fold:
            yield Piece(at + start, len(text), "VMDESCRIPTION", "", "json", b"", f"{len(text)} bytes of JSON")
        else:
            yield Piece(at + start, len(text), "VMDESCRIPTION", "", "json", text)
        yield from _whole(at + start + len(text), data[start + len(text) :], "TRAILING", "(not read)")

    def _tree(self, nodes: Iterable[Node], group: str, payload: bytes, start: int) -> Iterator[Piece]:
        """The leaves below nodes; the bytes between them too."""
        at = start
        for piece in self._leaves(nodes, group, payload, start):
            if piece.offset > at:
                yield from _whole(at, payload[at - start : piece.offset - start], group, "subsection", piece.group)
            yield piece
            at = piece.offset + piece.size
        yield from _whole(at, payload[at - start :], group, "(no field)")

    def _leaves(self, nodes: Iterable[Node], group: str, payload: bytes, start: int, path: str = "") -> Iterator[Piece]:
        # Elements of arrays do not begin a group of their own: their leaves are `[3].num` in that of the array.
        stack: list[tuple[Iterator[Node | Fold], str, str]] = [(iter(nodes), path, "")]
        while stack:
            found, path, name = stack[-1]
            node = next(found, None)
            if node is None:
                stack.pop()
                continue
            here = join(name, node.name)
            if isinstance(node, Fold):
                yield Piece(node.offset, node.size, group, path, here, b"", node.said)
            elif is_leaf(node) or not (node.inner if isinstance(node.inner, tuple) else node.size):
                if node.size:
                    yield Piece(
                        node.offset, node.size, group, path, here, payload[node.offset - start : node.end - start]
                    )
            elif name or node.name[:1] == "[":
                stack.append((items(node, self.detail), path, here))
            else:
                stack.append((items(node, self.detail), join(path, node.name), ""))


def _cut(offset: int, data: bytes, group: str, layout: Iterable[tuple[str, int]]) -> Iterator[Piece]:
    """Neighbouring fields of known sizes."""
    at = 0
    for name, size in layout:
        if data[at : at + size]:
            yield Piece(offset + at, len(data[at : at + size]), group, "", name, data[at : at + size])
        at += size


def _whole(offset: int, data: bytes, record: str, name: str, group: str = "") -> Iterator[Piece]:
    if data:
        yield Piece(offset, len(data), record, group, name, data)
