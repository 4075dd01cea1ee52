"""Coverage: how many bytes of a stream have a name, by device.

A byte is named if the innermost node that covers it says what it is. A stretch without a schema (`payload`, `@rest`),
bytes of config space that no register covers (`bytes_0x40`) and fields whose insides nobody knows do not. Pages of RAM
are the guest's and do not count at all; what else a ram section holds (the list of blocks, the end mark) does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vmformat.channels.checkpoints import moments
from vmformat.command import Cmd, Command
from vmformat.errors import StreamError
from vmformat.ram.pages import listed
from vmformat.records import Eof, Gap
from vmformat.schema import BYTES, DEVICES_OWN, INTEGERS, NESTED
from vmformat.section import Section
from vmformat.stream import package_records
from vmformat.tree import Structs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmformat.node import Node
    from vmformat.records import Record
    from vmformat.schema import Schemas
    from vmformat.stream import Stream

_NAMELESS: Final = frozenset({"payload", "@rest"})
_PIECE: Final = "bytes_0x"
_TYPES: Final = (
    frozenset(INTEGERS) | BYTES | DEVICES_OWN | NESTED | {"string", "vbuffer", "element", "subsection", "record"}
)
_MOST_NESTING: Final = 16
"""Packages in packages deeper than this are not looked into: streams may nest them by the thousand."""

_WORD: Final = 8
"""Bytes of the word that a ram record begins with."""


@dataclass(frozen=True, slots=True)
class DeviceCoverage:
    """What stands in a stream for one device (or `header`, `configuration`, `commands`, `vmdescription`, ...).

    `sections`: records of it. `size`: their bytes, heads and footers included, pages of RAM not; `named`: how many of
    them have a name.
    """

    name: str
    instance: int
    sections: int
    size: int
    named: int

    @property
    def share(self) -> float:
        """The share of named bytes, 1.0 for no bytes at all."""
        return self.named / self.size if self.size else 1.0


def coverage(stream: Stream, schemas: Schemas | None = None) -> tuple[DeviceCoverage, ...]:
    """The coverage of all that stands in a stream, in the order in which it comes first.

    `schemas` are those of the sections in packages. Time is linear in the bytes that are no RAM.
    """
    found: dict[tuple[str, int], DeviceCoverage] = {}

    def add(name: str, instance: int, size: int, named: int) -> None:
        known = found.get((name, instance), DeviceCoverage(name, instance, 0, 0, 0))
        found[name, instance] = DeviceCoverage(
            name, instance, known.sections + 1, known.size + size, known.named + named
        )

    size = len(stream.header.to_bytes())
    add("header", 0, size, size)
    if stream.configuration is not None:
        size = len(stream.configuration.to_bytes())
        add("configuration", 0, size, size)
    for piece in _records(stream, stream.records, schemas):
        add(*piece)
    if stream.trailing:
        text = stream.vmdescription
        named = 0 if text is None else len(text) + 5
        if named:
            add("vmdescription", 0, named, named)
        rest = len(stream.trailing) - named
        for moment in moments(stream, schemas):
            if moment.records or moment.size == moment.head:
                add("colo", 0, moment.head, moment.head)
                rest -= moment.size
                for piece in _records(stream, moment.records, schemas):
                    add(*piece)
        if rest:
            add("trailing", 0, rest, 0)
    return tuple(found.values())


def total(parts: Sequence[DeviceCoverage]) -> DeviceCoverage:
    """The sum, under the name `total`."""
    return DeviceCoverage("total", 0, *(sum(getattr(p, what) for p in parts) for what in ("sections", "size", "named")))


def unnamed(node: Node) -> Iterator[tuple[str, Node]]:
    """The leaves of a tree that have no name, with their paths. The first struct of an array stands for all."""
    yield from _unnamed(node, "")


def nameless(node: Node) -> bool:
    """Whether a leaf says nothing of what it holds."""
    return node.name in _NAMELESS or node.name.startswith(_PIECE) or node.type not in _TYPES


def _records(
    stream: Stream, records: Sequence[Record], schemas: Schemas | None, depth: int = 0
) -> Iterator[tuple[str, int, int, int]]:
    """(name, instance, bytes, named bytes) of each record."""
    for record in records:
        if isinstance(record, Section):
            yield _section(record)
        elif isinstance(record, Eof):
            yield "eof", 0, 1, 1
        elif isinstance(record, Command):
            size = len(record.to_bytes()) - len(record.package) - len(record.outside)
            yield "commands", 0, size, size
            if record.cmd == Cmd.PACKAGED and record.package:
                yield from _package(stream, record, schemas, depth)
        elif isinstance(record, Gap):
            size = len(record.data)
            yield "gap", 0, size, 0


def _package(
    stream: Stream, command: Command, schemas: Schemas | None, depth: int
) -> Iterator[tuple[str, int, int, int]]:
    try:
        inner = package_records(stream, command, schemas) if depth < _MOST_NESTING else ()
    except StreamError:
        inner = ()
    if inner:
        yield from _records(stream, inner, schemas, depth + 1)
    else:
        size = len(command.package) + len(command.outside)
        yield "commands", 0, size, 0


def _section(section: Section) -> tuple[str, int, int, int]:
    frame = len(section.head()) + len(section.foot())
    name = section.name or "(unknown)"
    if section.is_ram:
        size = frame + _ram(section)
        return name, section.instance, size, size
    size = len(section.buffer)
    lost = _lost(section.decoded()) if size else 0
    return name, section.instance, frame + size, frame + size - lost


def _ram(section: Section) -> int:
    """Bytes of a ram section that are no pages: the list of blocks, if it begins with one, and the end mark."""
    size = _WORD
    try:
        found = listed(section)
    except StreamError:
        found = ()
    if found:
        size += _WORD
    for entry in found:
        pages = entry.mapped.pages if entry.mapped is not None else (0, 0)
        size += entry.end - entry.start - (pages[1] - pages[0])
    return min(size, len(section.buffer))


def _lost(node: Node) -> int:
    """Bytes of a node that have no name."""
    if isinstance(node.inner, Structs):
        first = node.inner.at(node.offset, 0)  # elements of one schema and one size: one stands for all
        if first is None or not first.size:
            return 0
        return _lost(first) * (node.size // first.size)
    children = node.children
    if children:
        return sum(_lost(child) for child in children)
    return node.size if nameless(node) else 0


def _unnamed(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    children: tuple[Node, ...] = ()
    if isinstance(node.inner, Structs):
        first = node.inner.at(node.offset, 0)
        children = () if first is None else (first,)
    else:
        children = node.children
    for child in children:
        yield from _unnamed(child, f"{path}.{child.name}" if path and child.name[0] not in "[@" else path + child.name)
    if not children and node.size and nameless(node):
        yield path, node
