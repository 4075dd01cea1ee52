"""A stream as JSON, in pieces: what is large is never one object in memory.

The document, a record a line (`vmfuzz show --json`; docs/show.md has the keys):

    {"version": 3, "configuration": {...}, "records": [
    {"kind": "FULL", "offset": 23, "name": "timer", ..., "fields": [...]},
    ...
    ], "trailing": 0, "vmdescription": null, "faults": []}

Offsets and sizes are bytes, offsets count from the stream's start. Bytes are hexadecimal text; `text` says what they
spell, if they do, and `means` what the words of a specification make of a value.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from vmformat.command import Cmd, Command
from vmformat.errors import Fault, StreamError
from vmformat.iterable.payloads import ITERABLE, iter_nodes
from vmformat.iterable.rows import Records as Rows
from vmformat.node import Node, join
from vmformat.records import Eof, Span
from vmformat.render.fields import is_leaf
from vmformat.render.meaning import meaning
from vmformat.render.pages import Block, RamReader, RamSummary, Run
from vmformat.render.records import MOST_NESTING, config_around, config_of, end_of_stream, start_of_trailing
from vmformat.section import Section
from vmformat.stream import package_records
from vmformat.tree import Structs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vmformat.node import Leafs
    from vmformat.paths import Match
    from vmformat.records import Record
    from vmformat.schema import Json, Schemas
    from vmformat.stream import Stream


_GAP: Final = 4096
"""Bytes of a stretch without records that are given."""


def dump(value: Json) -> str:
    """JSON in ASCII, as all of it is written here."""
    return json.dumps(value)


def to_json(stream: Stream, schemas: Schemas | None = None, *, everything: bool = False) -> Iterator[str]:
    """The document. `everything`: elements of arrays that are all zero too."""
    faults: list[Fault] = []
    yield from open_json(stream, schemas, faults, everything=everything)
    yield closing(sorted(dict.fromkeys(faults), key=lambda fault: fault.offset))


def closing(faults: Iterable[Fault]) -> str:
    """What ends every document."""
    listed: list[Json] = [fault_json(fault) for fault in faults]
    return f', "faults": {dump(listed)}}}\n'


def open_json(
    stream: Stream, schemas: Schemas | None, faults: list[Fault], *, everything: bool = False
) -> Iterator[str]:
    """The document without its end; what is wrong with the stream goes into `faults` as it is met."""
    faults += stream.faults
    yield f'{{"version": {stream.header.version}, "size": {end_of_stream(stream)}'
    if stream.leading:
        yield f', "leading": {len(stream.leading)}'
    config = stream.configuration
    if config is not None:
        faults += config.faults
        yield f', "configuration": {{"offset": {config.offset}, "machine": {dump(config.machine)}, "subsections": '
        yield from nodes(config.tree.children[1:], "configuration", everything=everything)
        yield "}"
    yield ', "records": ['
    writer = _Records(stream, schemas, everything=everything)
    yield from writer.records(stream.records, 0)
    faults += writer.faults
    yield "\n]"
    described: Json = None
    if stream.vmdescription is not None:
        described = {"offset": start_of_trailing(stream), "size": len(stream.trailing)}
    yield f', "trailing": {len(stream.trailing)}, "vmdescription": {dump(described)}'


def fault_json(fault: Fault) -> dict[str, Json]:
    """A fault."""
    return {"offset": fault.offset, "path": fault.path, "expected": fault.expected, "found": fault.found}


def matches_json(found: Iterable[Match], *, everything: bool = False) -> Iterator[str]:
    """What patterns found, not closed yet: `{"matches": [{"place": [12], "record": "timer", "node": {}}]`."""
    yield '{"matches": ['
    for i, match in enumerate(found):
        record = match.record
        head: dict[str, Json] = {"place": list(match.place)}
        name = record.name if isinstance(record, Section | Command) else "configuration"
        head["record"] = name
        if isinstance(record, Section):
            head["instance"] = record.instance
        head["path"] = match.path
        yield f'{"," if i else ""}\n{dump(head)[:-1]}, "node": '
        parent = match.path[: len(match.path) - len(match.node.name)].removesuffix(".")
        yield from _node(match.node, name, parent, config_around(match), everything=everything)
        yield "}"
    yield "\n]"


def block_json(block: Block) -> dict[str, Json]:
    """An entry of a list of RAM blocks."""
    result: dict[str, Json] = {"name": block.name, "offset": block.offset, "length": block.length}
    if block.page_size is not None:
        result["page_size"] = block.page_size
    if block.address is not None:
        result["address"] = block.address
    return result


def run_json(run: Run) -> dict[str, Json]:
    """A run of pages. `address`: of the first one in its block."""
    return {
        "block": run.block,
        "kind": run.kind,
        "address": run.address,
        "pages": run.pages,
        "offset": run.offset,
        "size": run.size,
    }


class _Records:
    """Writes records, those in packages too."""

    def __init__(self, stream: Stream, schemas: Schemas | None, *, everything: bool) -> None:
        self.stream = stream
        self.schemas = schemas
        self.everything = everything
        self.ram = RamReader()
        self.faults: list[Fault] = []

    def records(self, records: Sequence[Record], depth: int) -> Iterator[str]:
        """A record a line, commas between them."""
        for i, record in enumerate(records):
            yield ",\n" if i else "\n"
            if isinstance(record, Section):
                yield from self._section(record)
            elif isinstance(record, Command):
                yield from self._command(record, depth)
            elif isinstance(record, Eof):
                yield dump({"kind": "EOF", "offset": record.offset})
            elif isinstance(record, Span):
                yield dump({"kind": "SPAN", "offset": record.offset, "size": record.size})
            else:
                data = record.data
                head: Json = {"kind": "GAP", "offset": record.offset, "size": len(data), "value": data[:_GAP].hex()}
                yield dump(head)

    def _section(self, section: Section) -> Iterator[str]:
        head: dict[str, Json] = {
            "kind": section.kind.name,
            "offset": section.offset,
            "section_id": section.section_id,
            "name": section.name,
            "instance": section.instance,
            "version": section.version,
            "payload_offset": section.payload_offset,
            "size": len(section.buffer),
            "footer": section.footer,
        }
        if section.is_ram:
            head.update(self._ram(section))
            yield dump(head)
            return
        head["schema"] = None if section.schema is None else section.schema.name
        yield dump(head)[:-1] + ', "fields": '
        tree, fault = section.read_payload()
        if fault is not None:
            self.faults.append(fault)
        children: Iterable[Node] = tree.children
        if section.name in ITERABLE:
            children = iter_nodes(section.name, section.buffer, section.payload_offset, section.context)
        yield from nodes(children, section.name, everything=self.everything)
        yield "}"

    def _ram(self, section: Section) -> dict[str, Json]:
        found = RamSummary()
        for item in self.ram.walk(section):
            found.add(item)
        self.faults += found.faults
        pages: list[Json] = [
            {"block": block, "kind": kind, "pages": count, "size": found.sizes[block, kind]}
            for (block, kind), count in found.pages.items()
        ]
        return {"blocks": [block_json(block) for block in found.blocks], "pages": pages}

    def _command(self, command: Command, depth: int) -> Iterator[str]:
        said: dict[str, Json] = {name: v.hex() if isinstance(v, bytes) else v for name, v in command.fields}
        head: dict[str, Json] = {
            "kind": "COMMAND",
            "offset": command.offset,
            "name": command.name,
            "command": command.cmd,
            "fields": said,
        }
        if command.cmd != Cmd.PACKAGED:
            yield dump(head)
            return
        inner: Sequence[Record] = ()
        try:
            if depth < MOST_NESTING:
                found: list[Fault] = []
                inner = package_records(self.stream, command, self.schemas, faults=found)
                self.faults += found
            else:
                head["error"] = "nested too deep to be shown"
        except StreamError as error:
            head["error"] = str(error)
        yield dump(head)[:-1] + ', "records": ['
        yield from self.records(inner, depth + 1)
        yield "\n]}"


def nodes(found: Iterable[Node], device: str, path: str = "", *, everything: bool = False) -> Iterator[str]:
    """A list of nodes."""
    yield "["
    for i, node in enumerate(found):
        if i:
            yield ", "
        yield from _node(node, device, path, everything=everything)
    yield "]"


def _node(
    root: Node, device: str, path: str, config: bytes | None = None, *, everything: bool = False
) -> Iterator[str]:
    """A node: `value` of a leaf, `fields` of a struct, `elements` of an array, zero ones left out."""
    stack: list[tuple[Iterator[Node], str, bytes | None]] = [(iter((root,)), path, config)]
    first = True
    while stack:
        children, path, config = stack[-1]
        node = next(children, None)
        if node is None:
            stack.pop()
            if stack:
                yield "]}"
            first = False
            continue
        here = join(path, node.name)
        if not first:
            yield ", "
        first = False
        head: dict[str, Json] = {"name": node.name, "type": node.type, "offset": node.offset, "size": node.size}
        if is_leaf(node):
            if node.value is not None:
                head["value"] = _value(node.value, node.type)
            if isinstance(node.value, bytes) and (text := _text(node.value)):
                head["text"] = text
            said = meaning(device, here, node, config)
            if said:
                head["means"] = said
            yield dump(head)
            continue
        key = "fields"
        inner = node.inner
        if isinstance(inner, Structs):
            head["count"] = len(inner.data) // inner.size
            key = "elements"
        yield f'{dump(head)[:-1]}, "{key}": ['
        stack.append((_children(node, everything=everything), here, config_of(node, config)))
        first = True


def _children(node: Node, *, everything: bool) -> Iterator[Node]:
    inner = node.inner
    if isinstance(inner, Rows):
        yield from inner.nodes(node.offset)  # one by one: there may be millions
        return
    if everything or not isinstance(inner, Structs):
        yield from node.children
        return
    size = inner.size
    zero = bytes(size)
    for i in range(len(inner.data) // size):
        if inner.data[i * size : i * size + size] != zero:
            element = inner.at(node.offset, i)
            if element is not None:
                yield element


def _text(value: bytes) -> str:
    """The text that bytes are, without zeros behind it; "" if they are none."""
    kept = value.rstrip(b"\0")
    return kept.decode() if kept.isascii() and kept.decode().isprintable() else ""


def _value(value: Leafs, type_: str) -> Json:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [item.hex() if isinstance(item, bytes) else item for item in value]
    return bool(value) if type_ == "bool" and value in {0, 1} else value
