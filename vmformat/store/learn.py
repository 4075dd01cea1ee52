"""What many streams teach together: one schema for each shape that a vmsd takes, and which field counts which array.

A VMDESCRIPTION shows what one run sent: an array of eight elements, not that another field said eight. Over many
streams that becomes plain. An array whose length differs is counted by the nearest earlier number of the same vmsd that
was its length every time (0 where it left no trace); one that no number counts is `free`: its length is the machine's,
and only the end of the payload tells it. What still differs (a field that is there or not) makes another shape.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from vmformat.dump_vmstate import merge_all
from vmformat.errors import StreamError
from vmformat.reading.guess import OPAQUE
from vmformat.schema import Count, Field, Schema
from vmformat.tree import decode
from vmformat.vmdescription import merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from vmformat.node import Node
    from vmformat.section import Section

_MOST_SEEN: Final = 400
"""Different observations of one vmsd that are kept."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """A schema, in how many sections it was seen, and the names of vmsds' arrays that nothing in the stream counts."""

    schema: Schema
    seen: int


@dataclass(slots=True)
class _Vmsd:
    """What was seen of one vmsd, nested or not: lengths of its arrays and the numbers before them."""

    order: dict[str, int] = field(default_factory=dict)
    seen: dict[tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]], None] = field(default_factory=dict)


class Learner:
    """Takes sections whose schemas a VMDESCRIPTION told, gives schemas that hold for all of them."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[str, int], Counter[Schema]] = {}
        self._vmsds: dict[tuple[str, int], _Vmsd] = {}
        self._payloads: set[tuple[str, bytes]] = set()

    def add(self, section: Section) -> None:
        """A section with its own schema; nothing if it does not fit the payload."""
        schema = section.schema
        if schema is None:
            return
        known = self._shapes.setdefault((schema.name, schema.version), Counter())
        known[_plain(schema)] += 1
        key = (schema.name, section.payload)
        if key in self._payloads:
            return
        self._payloads.add(key)
        try:
            tree = decode(schema, section.payload, 0, section.version)
        except StreamError:
            return
        self._observe(schema, tree.children)

    def _observe(self, schema: Schema, nodes: Iterable[Node]) -> None:
        vmsd = self._vmsds.setdefault((schema.name, schema.version), _Vmsd())
        known = {f.name: f for f in schema.fields}
        subs = {s.name: s for s in schema.subsections}
        lengths: dict[str, int] = {}
        numbers: dict[str, int] = {}
        for node in nodes:
            found = known.get(node.name)
            if found is None:
                if node.type == "subsection" and node.name in subs:
                    self._observe(subs[node.name], node.children)
                continue
            vmsd.order.setdefault(node.name, len(vmsd.order))
            if isinstance(found.count, int):
                lengths[node.name] = found.count
            if isinstance(node.value, int):
                numbers[node.name] = node.value
            if found.struct is not None:
                for inner in _structs(node, found):
                    self._observe(found.struct, inner.children)
        if len(vmsd.seen) < _MOST_SEEN:
            vmsd.seen[tuple(sorted(lengths.items())), tuple(sorted(numbers.items()))] = None

    def counts(self) -> dict[tuple[str, str], Count]:
        """By (vmsd, array): the number that counts it."""
        return {key: count for key, count in self._rules().items() if count is not None}

    def free(self) -> frozenset[tuple[str, str]]:
        """The (vmsd, array) whose length differs and that nothing counts."""
        return frozenset(key for key, count in self._rules().items() if count is None)

    def _rules(self) -> dict[tuple[str, str], Count | None]:
        rules: dict[tuple[str, str], Count | None] = {}
        for (name, _), vmsd in self._vmsds.items():
            seen = [(dict(lengths), dict(numbers)) for lengths, numbers in vmsd.seen]
            arrays = {array for lengths, _ in seen for array in lengths}
            for array in arrays:
                found = [lengths[array] for lengths, _ in seen if array in lengths]
                absent = [numbers for lengths, numbers in seen if array not in lengths]
                if len(set(found)) < 2:
                    continue
                before = sorted(
                    (n for n in vmsd.order if vmsd.order[n] < vmsd.order[array]), key=lambda n: -vmsd.order[n]
                )
                fitting = [
                    n
                    for n in before
                    if all(numbers.get(n) == lengths[array] for lengths, numbers in seen if array in lengths)
                    and all(numbers.get(n, 0) in {0, 1} for numbers in absent)
                ]
                rules[name, array] = Count(fitting[0]) if fitting else None
        return rules

    def schemas(self, dumps: Sequence[Mapping[str, Any]] = ()) -> dict[tuple[str, int], list[Learnt]]:
        """The shapes of every section's vmsd, by name and version, those seen most often first.

        `dumps` (what `qemu -dump-vmstate` gives) add field versions and subsections that no stream has shown.
        """
        counts = self.counts()
        result: dict[tuple[str, int], list[Learnt]] = {}
        for key, shapes in self._shapes.items():
            found: list[Learnt] = []
            for schema, times in shapes.items():
                counted = _counted(schema, counts)
                for i, other in enumerate(found):
                    one = _joined(other.schema, counted)
                    if one is not None:
                        found[i] = Learnt(one, other.seen + times)
                        break
                else:
                    found.append(Learnt(counted, times))
            for dump in dumps:
                found = [replace(one, schema=_dumped(one.schema, dump)) for one in found]
            result[key] = sorted(found, key=lambda one: -one.seen)
        return result


def _structs(node: Node, described: Field) -> Iterator[Node]:
    if described.type in {"struct", "vstruct", "tmp"} and described.count is None:
        yield node
        return
    for i, child in enumerate(node.children):
        if i == 16:
            return
        if child.name[0] == "[":
            yield child


def _plain(schema: Schema) -> Schema:
    """Without sizes of what is opaque: these are one payload's."""
    fields = tuple(
        replace(f, size=0) if f.type in OPAQUE else f if f.struct is None else replace(f, struct=_plain(f.struct))
        for f in schema.fields
    )
    subsections = tuple(_plain(s) for s in schema.subsections)
    return replace(schema, fields=fields, subsections=subsections)


def _counted(schema: Schema, counts: Mapping[tuple[str, str], Count]) -> Schema:
    """The schema with arrays counted by the numbers that count them, also those that left no trace."""
    fields = []
    for f in schema.fields:
        count = counts.get((schema.name, f.name))
        if count is not None and any(other.name == count.field for other in schema.fields):
            f = replace(f, count=count)
        if f.struct is not None:
            f = replace(f, struct=_counted(f.struct, counts))
        fields.append(f)
    return replace(schema, fields=tuple(fields), subsections=tuple(_counted(s, counts) for s in schema.subsections))


def _joined(one: Schema, other: Schema) -> Schema | None:
    """One schema for both, if they are of one shape: arrays that are counted may be missing in either."""
    a, b = _filled(one, other), _filled(other, one)
    if not _same(a, b):
        return None
    return merge(a, b)


def _filled(schema: Schema, other: Schema) -> Schema:
    """The schema with counted arrays that only the other has, in the place that they have there."""
    mine = {f.name for f in schema.fields}
    missing = [f for f in other.fields if f.name not in mine and isinstance(f.count, Count) and f.count.field in mine]
    if not missing:
        return schema
    theirs = [f.name for f in other.fields]
    fields = list(schema.fields)
    for f in missing:
        before = set(theirs[: theirs.index(f.name)])
        at = max((i + 1 for i, known in enumerate(fields) if known.name in before), default=0)
        fields.insert(at, f)
    return replace(schema, fields=tuple(fields))


def _same(a: Schema, b: Schema) -> bool:
    if (a.name, a.version, len(a.fields)) != (b.name, b.version, len(b.fields)):
        return False
    for f, g in zip(a.fields, b.fields, strict=True):
        if replace(f, struct=None) != replace(g, struct=None):
            return False
        if f.struct is None or g.struct is None:
            if f.struct is not g.struct and f.type not in {"qtailq", "qlist"}:
                return False
        elif not _same(f.struct, g.struct):
            return False
    return True


def _dumped(schema: Schema, dump: Mapping[str, Any]) -> Schema:
    return merge_all({("", 0): schema}, dump)["", 0]
