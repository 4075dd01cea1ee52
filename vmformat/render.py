"""What a stream looks like to a person (lines of text) and to a program (plain values for JSON).

One line a record, and below it one line a field: offset in the stream, path, value. Long stretches of zeros are folded,
since a virtio device always describes 1024 queues. Nothing here knows terminals.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from vmformat.command import Cmd, Command
from vmformat.errors import StreamError
from vmformat.node import Node, join
from vmformat.pci import INSIDES
from vmformat.ram import BlockEntry, Flag, RamState, parse_ram
from vmformat.records import Eof, Gap, Record, Span
from vmformat.stream import package_records
from vmformat.tree import Structs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmformat.schema import Json, Schemas
    from vmformat.section import Section
    from vmformat.stream import Stream

_MOST_BYTES: Final = 32
_MOST_NUMBERS: Final = 16
_MOST_NESTING: Final = 16
"""Packages in packages deeper than this are not looked into: streams may nest them by the thousand."""


def lines(stream: Stream, schemas: Schemas | None = None, *, hexdump: bool = False) -> Iterator[str]:
    """The stream as text. `hexdump` adds the payload of each section. `schemas`: for what stands in packages."""
    yield f"{0:#010x} header: version {stream.header.version}"
    config = stream.configuration
    if config is not None:
        yield f"{config.offset:#010x} configuration: machine {config.machine!r}"
        for node in config.tree.children[1:]:
            yield from _node_lines(node, node.name)
    yield from _record_lines(stream, stream.records, schemas, hexdump=hexdump)
    if stream.trailing:
        at = sum(len(piece) for piece in stream.pieces()) - len(stream.trailing)
        what = "VMDESCRIPTION" if stream.vmdescription is not None else "bytes that nobody reads"
        yield f"{at:#010x} {len(stream.trailing)} bytes: {what}"


def _record_lines(
    stream: Stream, records: Sequence[Record], schemas: Schemas | None, *, hexdump: bool, depth: int = 0
) -> Iterator[str]:
    state = RamState()
    for record in records:
        if isinstance(record, Eof):
            yield f"{record.offset:#010x} EOF"
        elif isinstance(record, Gap):
            yield f"{record.offset:#010x} {len(record.data)} bytes that are no record"
        elif isinstance(record, Span):
            yield f"{record.offset:#010x} {record.size} bytes of records not looked at"
        elif isinstance(record, Command):
            said = "".join(f", {name} {_shown(value)}" for name, value in record.fields)
            yield f"{record.offset:#010x} COMMAND {record.name}{said}"
            if record.cmd == Cmd.PACKAGED:
                inner = _package(stream, record, schemas, depth)
                if isinstance(inner, str):
                    yield f"           package of {len(record.package)} bytes: {inner}"
                    continue
                shown = _record_lines(stream, inner, schemas, hexdump=hexdump, depth=depth + 1)
                yield from (f"  {line}" for line in shown)
        else:
            yield from _section_lines(record, state, shared=_shared(stream), hexdump=hexdump)


def _package(stream: Stream, command: Command, schemas: Schemas | None, depth: int) -> tuple[Record, ...] | str:
    """The records of a package, or why they are not shown."""
    if depth == _MOST_NESTING:
        return "nested too deep to be shown"
    try:
        return package_records(stream, command, schemas)
    except StreamError as error:
        return str(error)


def _shared(stream: Stream) -> bool:
    return stream.configuration is not None and "x-ignore-shared" in stream.configuration.capabilities


def _section_lines(section: Section, state: RamState, *, shared: bool, hexdump: bool) -> Iterator[str]:
    foot = "no footer" if section.footer is None else f"footer {section.footer}"
    foot = "" if section.footer == section.section_id else f", {foot}"
    name = ascii(section.name)[1:-1] or "(unknown)"
    head = f"{section.kind.name} {name} instance {section.instance} id {section.section_id} version {section.version}"
    yield f"{section.offset:#010x} {head}, {len(section.buffer)} bytes{foot}"
    if section.is_ram:
        yield from _ram_lines(section, state, shared=shared)
    else:
        for child in section.decoded().children:
            yield from _node_lines(child, child.name)
    if hexdump:
        yield from _hex_lines(section.payload, section.payload_offset)


def _node_lines(node: Node, path: str) -> Iterator[str]:
    if isinstance(node.inner, Structs):
        yield from _struct_lines(node, node.inner, path)
    elif node.type in INSIDES or node.value is None:
        if not node.inner:
            yield f"  {node.offset:#010x} {path} = nothing"
        for child in node.children:
            yield from _node_lines(child, join(path, child.name))
    else:
        yield f"  {node.offset:#010x} {path} = {_shown(node.value, node.type)}"


def _struct_lines(node: Node, structs: Structs, path: str) -> Iterator[str]:
    """An array of structs; runs of elements that are all zero take one line."""
    count, start = len(structs.data) // structs.size, 0
    zero = bytes(structs.size)
    while start < count:
        end = start
        while end < count and structs.data[end * structs.size : (end + 1) * structs.size] == zero:
            end += 1
        if end - start > 1:
            yield f"  {node.offset + start * structs.size:#010x} {path}[{start}..{end - 1}] = all zero"
            start = end
            continue
        element = structs.at(node.offset, start)
        assert element is not None
        yield from _node_lines(element, f"{path}[{start}]")
        start += 1


def _shown(value: object, type_: str = "") -> str:
    if isinstance(value, int):
        if type_ in {"bool", "uint8", "int8"} or -9 <= value <= 9:
            return str(value)
        return f"{value:#x}"
    if isinstance(value, bytes):
        if not value.strip(b"\0"):
            return f"{len(value)} zero bytes" if value else "nothing"
        text = value.rstrip(b"\0")
        if len(text) >= 2 and text.isascii() and text.decode().isprintable():
            return repr(text.decode()) + (f" and {len(value) - len(text)} zero bytes" if len(text) < len(value) else "")
        return _cut(value)
    if isinstance(value, tuple):
        if not value:
            return "nothing"
        if not any(value):
            return f"{len(value)} zeros"
        shown = " ".join(_shown(item, type_) for item in value[:_MOST_NUMBERS])
        return shown if len(value) <= _MOST_NUMBERS else f"{shown} ... ({len(value)} in all)"
    return str(value)


def _cut(value: bytes) -> str:
    shown = value[:_MOST_BYTES].hex(" ")
    return shown if len(value) <= _MOST_BYTES else f"{shown} ... ({len(value)} bytes)"


def _hex_lines(payload: bytes, offset: int) -> Iterator[str]:
    for i in range(0, len(payload), 16):
        yield f"  {offset + i:#010x} | {payload[i : i + 16].hex(' ')}"


def _ram_lines(section: Section, state: RamState, *, shared: bool) -> Iterator[str]:
    start = section.payload_offset
    pages: Counter[tuple[str, str]] = Counter()
    try:
        for record in parse_ram(section.payload, 0, state, ignore_shared=shared):
            if isinstance(record, BlockEntry):
                at = "" if record.address is None else f" at {record.address:#x}"
                yield f"  {start + record.offset:#010x} block {record.name!r}: {record.length:#x} bytes{at}"
            elif record.kind is Flag.MEM_SIZE:
                yield f"  {start + record.offset:#010x} block list: {record.address:#x} bytes in all"
            elif record.kind is not Flag.EOS:
                pages[record.block or "", record.kind.name or ""] += 1
    except StreamError as error:
        yield f"  {start + error.offset:#010x} expected {error.expected}, found {error.found}"
    for (block, kind), count in pages.items():
        yield f"  {'':10} block {block!r}: {count} {kind} pages"


def to_json(stream: Stream, schemas: Schemas | None = None) -> dict[str, Json]:
    """The stream as plain values. Bytes are hexadecimal text; offsets count from the stream's start."""
    result: dict[str, Json] = {"version": stream.header.version}
    if stream.configuration is not None:
        fields: list[Json] = [_node_json(node) for node in stream.configuration.tree.children[1:]]
        result["configuration"] = {"machine": stream.configuration.machine, "subsections": fields}
    result["records"] = [_record_json(stream, record, schemas) for record in stream.records]
    result["trailing"] = len(stream.trailing)
    return result


def _record_json(stream: Stream, record: Record, schemas: Schemas | None, depth: int = 0) -> Json:
    if isinstance(record, Eof):
        return {"kind": "EOF", "offset": record.offset}
    if isinstance(record, Gap | Span):
        size = record.size if isinstance(record, Span) else len(record.data)
        return {"kind": type(record).__name__.upper(), "offset": record.offset, "size": size}
    if isinstance(record, Command):
        return _command_json(stream, record, schemas, depth)
    result: dict[str, Json] = {
        "kind": record.kind.name,
        "offset": record.offset,
        "section_id": record.section_id,
        "name": record.name,
        "instance": record.instance,
        "version": record.version,
        "size": len(record.buffer),
        "footer": record.footer,
    }
    if record.is_ram:
        result["records"] = [line.strip() for line in _ram_lines(record, RamState(), shared=_shared(stream))]
    else:
        result["fields"] = [_node_json(child) for child in record.decoded().children]
    return result


def _command_json(stream: Stream, command: Command, schemas: Schemas | None, depth: int) -> Json:
    said: dict[str, Json] = {name: v.hex() if isinstance(v, bytes) else v for name, v in command.fields}
    result: dict[str, Json] = {"kind": "COMMAND", "offset": command.offset, "name": command.name, "fields": said}
    if command.cmd == Cmd.PACKAGED:
        inner = _package(stream, command, schemas, depth)
        if isinstance(inner, str):
            result["error"] = inner
        else:
            result["records"] = [_record_json(stream, record, schemas, depth + 1) for record in inner]
    return result


def _node_json(node: Node) -> dict[str, Json]:
    """A node: `value` of a leaf, `fields` of a struct, `elements` of an array whose zero elements are left out."""
    result: dict[str, Json] = {"name": node.name, "type": node.type, "offset": node.offset, "size": node.size}
    if isinstance(node.inner, Structs):
        structs = node.inner
        zero = bytes(structs.size)
        count = len(structs.data) // structs.size
        size = structs.size
        found = [structs.at(node.offset, i) for i in range(count) if structs.data[i * size : (i + 1) * size] != zero]
        result["count"] = count
        result["elements"] = [_node_json(element) for element in found if element is not None]
    elif node.type in INSIDES or node.value is None:
        result["fields"] = [_node_json(child) for child in node.children]
    elif isinstance(node.value, bytes):
        result["value"] = node.value.hex()
    elif isinstance(node.value, tuple):
        result["value"] = [item.hex() if isinstance(item, bytes) else item for item in node.value]
    else:
        result["value"] = bool(node.value) if node.type == "bool" and node.value in {0, 1} else node.value
    return result
