"""Subsections behind the fields of a vmsd, or, in old-style payloads, between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from vmformat._layout.fixed import MOST_FAULTS
from vmformat._layout.layout import SUBSECTION, Lead
from vmformat._layout.scope import SHORT, Cut, Misfit
from vmformat._layout.steps import Step
from vmformat.errors import Fault
from vmformat.node import Node, join
from vmformat.schema import Field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TypeAlias

    from vmformat._layout.layout import Layout, Record
    from vmformat._layout.scope import Given, Source
    from vmformat.node import Values
    from vmformat.schema import Schema

    Found: TypeAlias = "list[Record]"


def _named(found: Found) -> Iterator[tuple[str, Record]]:
    """Each with its name: one that comes again has its number behind it."""
    seen: dict[str, int] = {}
    for record in found:
        name = record.layout.name
        count = seen[name] = seen.get(name, -1) + 1
        yield (f"{name}#{count}" if count else name), record


def _name(sub: Schema, found: Found) -> str:
    """The name of one more."""
    count = sum(record.layout.name == sub.name for record in found)
    return f"{sub.name}#{count}" if count else sub.name


class Subsections(Step):
    """A scan for subsections (QEMU's rule, facts: stream.md 2.7). A part is a list of records."""

    __slots__ = ("known", "layout", "raw")

    def __init__(self, schema: Schema, layout: Callable[[Schema, int | None], Layout]) -> None:
        super().__init__(Field("", "subsections"))
        self.layout = layout
        self.raw = schema.raw
        self.lies = True
        self.known: dict[bytes, Schema] = {}
        for sub in schema.subsections:
            self.known.setdefault(sub.name.encode(), sub)

    def read(self, record: Record, source: Source, position: int) -> tuple[Found, int]:
        found: Found = []
        data, limit = source.data, source.limit
        while position + 2 <= limit and data[position] == SUBSECTION:
            end = position + 2 + data[position + 1]
            sub = self.known.get(bytes(data[position + 2 : min(end, limit)]))
            if sub is None or end > limit:
                unknown = record.layout.unknown(source, position) if self.raw else None
                if unknown is not None:
                    raise Cut(position, "", "a known subsection", unknown, found)
                break
            if end + 4 > limit:  # nothing of it can be shown
                raise Cut(position, "@version", *SHORT, found).inside(_name(sub, found))
            version = int.from_bytes(data[end : end + 4], "big")
            lead = Lead("@version", "uint32", end, 4, version)
            layout = self.layout(sub, min(version & 0xFF, sub.version))
            try:
                inner = layout.read(source, end + 4, record, lead, position)
            except Cut as cut:
                cut.names.append(_name(sub, found))
                found.append(cast("Record", cut.part))
                cut.part = found
                raise
            found.append(inner)
            position = inner.end
        return found, position

    def nodes(self, record: Record, part: Found, into: list[Node]) -> None:
        for name, inner in _named(part):
            start = record.source.base + inner.position
            into.append(Node(name, "subsection", start, inner.end - inner.position, None, inner))

    def values(self, record: Record, part: Found, values: dict[str, Values]) -> None:
        for name, inner in _named(part):
            values[name] = inner.values()

    def names(self, values: Mapping[str, Any]) -> Iterable[str]:
        return [] if self.again else [name for name in values if self._sub(name) is not None]

    def _sub(self, name: str) -> Schema | None:
        return self.known.get(name.partition("#")[0].encode("utf-8", "surrogatepass"))

    def write(self, values: Mapping[str, Any], scope: Given, out: list[bytes]) -> int:
        written = 0
        if self.again:
            return 0
        for name, value in values.items():
            sub = self._sub(name)
            if sub is not None:
                written += 1
                try:
                    self._put(sub, value, scope, out)
                except Misfit as misfit:
                    misfit.names.append(name)
                    raise
        return written

    def _put(self, sub: Schema, value: Any, scope: Given, out: list[bytes]) -> None:
        # `values` is known to be a Mapping only to the layout, which says so if it is not.
        version = value.get("@version", sub.version) if hasattr(value, "get") else sub.version
        if not isinstance(version, int) or not 0 <= version < 1 << 32:
            raise Misfit(str(version), "@version")
        name = sub.name.encode()
        if len(name) > 0xFF:
            raise Misfit(f"a name of {len(name)} bytes")
        out += (bytes((SUBSECTION, len(name))), name, version.to_bytes(4, "big"))
        inner = self.layout(sub, min(version & 0xFF, sub.version))
        inner.write(value, scope, out, 1 if hasattr(value, "get") and "@version" in value else 0)

    def check(self, record: Record, part: Found, path: str, faults: list[Fault]) -> None:
        for name, inner in _named(part):
            if len(faults) >= MOST_FAULTS:
                return
            sub, lead = inner.layout.schema, inner.lead
            inside = join(path, name)
            version = lead.value & 0xFF if lead is not None else sub.version
            if lead is not None and not sub.minimum <= version <= sub.version:
                wanted = f"a version of {sub.minimum} to {sub.version}"
                place = record.source.base + lead.position
                faults.append(Fault(place, join(inside, "@version"), wanted, str(version)))
            inner.check(inside, faults)

    def blank(self, values: dict[str, Values], scope: Given) -> None:
        """None."""
