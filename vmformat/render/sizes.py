"""Which device is big: bytes of each device, and of the parts of its sections, as a table with bars."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vmformat.command import Cmd, Command
from vmformat.errors import StreamError
from vmformat.records import Eof, Span
from vmformat.render.line import clean, size
from vmformat.render.records import MOST_NESTING
from vmformat.section import Section
from vmformat.stream import package_records
from vmformat.tree import Fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmformat.node import Node
    from vmformat.records import Record
    from vmformat.render.line import Line
    from vmformat.schema import Json, Schemas
    from vmformat.stream import Stream

_BAR: Final = 20
_TITLE: Final = f"{'bytes':>12}  {'share':>6}  {'':{_BAR}}  {'sections':>8}  name"


@dataclass(slots=True)
class Share:
    """Bytes of something: a device (all its records, heads and footers included), or a part of its sections.

    `kind`: "section", "command", "part" or what else stands in a stream ("header", "configuration", "end",
    "vmdescription", "trailing", "leading", "gap").
    """

    name: str
    kind: str
    instance: int | None = None
    sections: int = 0
    size: int = 0
    parts: dict[str, Share] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """For programs."""
        result: dict[str, Json] = {"name": self.name, "kind": self.kind, "size": self.size}
        if self.instance is not None:
            result["instance"] = self.instance
        if self.kind != "part":
            result["sections"] = self.sections
        if self.parts:
            result["parts"] = [part.to_json() for part in _sorted(self.parts.values())]
        return result


def shares(stream: Stream, schemas: Schemas | None = None, *, depth: int = 0) -> list[Share]:
    """All that a stream is made of, the largest first; the sizes add up to the stream's.

    `depth`: levels of fields that are told apart in each section.
    """
    found: dict[tuple[str, str, int | None], Share] = {}
    counted = [0]

    def share(kind: str, name: str, count: int, instance: int | None = None) -> Share:
        one = found.setdefault((kind, name, instance), Share(name, kind, instance))
        one.sections += 1
        one.size += count
        counted[0] += count
        return one

    def add(records: Sequence[Record], nesting: int) -> None:
        for record in records:
            if isinstance(record, Section):
                total = len(record.head()) + len(record.buffer) + len(record.foot())
                one = share("section", record.name or "(unknown)", total, record.instance)
                if depth and not record.is_ram:
                    _parts(one, record.decoded(), depth)
            elif isinstance(record, Eof):
                share("end", "end of stream", 1)
            elif isinstance(record, Command):
                package(record, nesting)
            elif isinstance(record, Span):
                share("section", "ram", record.size, 0)
            else:
                share("gap", "(no record)", len(record.data))

    def package(command: Command, nesting: int) -> None:
        whole = len(command.to_bytes())
        inner: Sequence[Record] = ()
        if command.cmd == Cmd.PACKAGED and nesting < MOST_NESTING:
            try:
                inner = package_records(stream, command, schemas, faults=[])
            except StreamError:
                inner = ()
        before = counted[0]
        add(inner, nesting + 1)
        share("command", command.name, whole - (counted[0] - before))

    if stream.leading:
        share("leading", "bytes before the header", len(stream.leading))
    share("header", "header", len(stream.header.to_bytes()))
    if stream.configuration is not None:
        share("configuration", "configuration", len(stream.configuration.to_bytes()))
    add(stream.records, 0)
    if stream.trailing:
        described = stream.vmdescription is not None
        share("vmdescription" if described else "trailing", "VMDESCRIPTION" if described else "trailing bytes",
              len(stream.trailing))  # fmt: skip
    return _sorted(found.values())


def _parts(share: Share, node: Node, depth: int) -> None:
    """Add what a node is made of; elements of arrays and registers are not told apart."""
    stack = [(share, node, depth)]
    while stack:
        one, inside, left = stack.pop()
        if not isinstance(inside.inner, tuple | Fields):
            continue
        for child in inside.children:
            if child.name[:1] in "[@":
                continue
            part = one.parts.setdefault(child.name, Share(child.name, "part"))
            part.size += child.size
            if left > 1:
                stack.append((part, child, left - 1))


def _sorted(parts: object) -> list[Share]:
    assert hasattr(parts, "__iter__")
    return sorted(parts, key=lambda part: (-part.size, part.name, part.instance or 0))


def size_lines(parts: Sequence[Share], limit: int | None = None) -> Iterator[Line]:
    """The table; bars compare with the largest. `limit`: rows of parts below one device."""
    total = sum(part.size for part in parts) or 1
    largest = max((part.size for part in parts), default=0) or 1
    yield (("head", _TITLE),)
    for part in parts:
        yield from _rows(part, total, largest, limit)
    yield (("head", f"{total:>12}  {'100%':>6}  {'':{_BAR}}  {'':8}  total ({size(total)})"),)


def _rows(root: Share, total: int, largest: int, limit: int | None) -> Iterator[Line]:
    stack = [(root, 0)]
    while stack:
        part, depth = stack.pop()
        share = part.size / total
        name = clean(part.name)
        if part.instance:
            name += f"@{part.instance}"
        count = str(part.sections) if part.kind in {"section", "command"} else ""
        yield (
            ("value", f"{part.size:>12}"),
            ("plain", f"  {share:>6.1%}  "),
            ("bar", f"{bar(part.size / largest):{_BAR}}"),
            ("plain", f"  {count:>8}  "),
            ("name" if not depth else "field", "  " * depth + name),
        )
        inner = _sorted(part.parts.values())
        kept = inner if limit is None else inner[:limit]
        stack += [(child, depth + 1) for child in reversed(kept)]


def bar(share: float) -> str:
    """A bar for a share of 0 to 1."""
    return "#" * round(share * _BAR) or ("." if share > 0 else "")
