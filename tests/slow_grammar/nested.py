"""The constructs of schemas: their fields, structs and lists in them, subsections behind them."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Final

import construct

from slow_grammar.leaf import Core, Cut, Numbers, One, Parsed, Scope, Text, cut, plain, times
from vmformat.errors import Fault, StreamError
from vmformat.node import Node, Values, join
from vmformat.schema import ANNOUNCED, INTEGERS, LISTS, NESTED, Field, Schema

SUBSECTION: Final = 0x05

_GRAMMARS: Final[dict[tuple[int, int], tuple[Schema, construct.Construct]]] = {}


def grammar(schema: Schema, version: int | None = None) -> construct.Construct:
    """The construct of a schema in one version: parses to a tuple of nodes, builds from a dict. Made once, kept."""
    version = schema.version if version is None else version
    # By identity, the schema kept alive: hashing a large schema costs more than reading with it.
    known = _GRAMMARS.get((id(schema), version))
    if known is None:
        if len(_GRAMMARS) > 1024:
            _GRAMMARS.clear()
        try:
            known = _GRAMMARS[id(schema), version] = schema, Vmsd(schema, version)
        except RecursionError:
            raise StreamError(0, schema.name, "less nesting", "too deep a schema") from None
    return known[1]


class Vmsd(construct.Construct):
    """A vmsd: its fields, then its subsections. Parses to the nodes of both."""

    def __init__(self, schema: Schema, version: int) -> None:
        super().__init__()
        self.schema = schema
        fields = [field for field in schema.fields if field.type != "must exist" and field.exists(version)]
        self.members = [member(field, schema) for field in fields]
        self.tail = None if schema.raw or not schema.subsections else Subsections(schema)
        sizes = [member.fixed for member in self.members]
        self.fixed: int | None = None
        if self.tail is None and None not in sizes:
            self.fixed = sum(size for size in sizes if size is not None)

    def _parse(self, stream: Any, context: object, path: str) -> tuple[Node, ...]:
        scope = Scope(context)
        nodes: list[Node] = []
        try:
            for member in self.members:
                member.into(nodes, stream, scope, path)
            if self.tail is not None:
                self.tail.into(nodes, stream, scope, path)
        except Cut as stopped:
            raise Cut(stopped.fault, None, tuple(nodes)) from None
        return tuple(nodes)

    def _build(self, obj: Any, stream: Any, context: object, path: str) -> object:
        if not isinstance(obj, Mapping):
            raise construct.MappingError(f"no dict of fields but {type(obj).__name__}", path=path)
        scope = Scope(context, obj)
        rest = dict(obj)
        for member in self.members:
            member.out_of(rest, stream, scope, path)
        if self.tail is not None:
            self.tail.out_of(rest, stream, scope, path)
        if rest:
            raise construct.MappingError(f"unknown field {next(iter(rest))!r}", path=path)
        return obj


class Member(construct.Construct):
    """One field of a vmsd, present or not. `core` parses to what a Node needs and builds from a value."""

    def __init__(self, field: Field, core: Core) -> None:
        super().__init__()
        self.field = field
        self.core = core
        self.fixed = None if field.when is not None else core.fixed

    def into(self, nodes: list[Node], stream: Any, scope: Scope, path: str) -> None:
        field = self.field
        path = join(path, field.name)
        when = field.when
        start = stream.tell()
        try:
            if when is not None and not when.holds(scope.number(when.field, path)):
                return
            value, inner = self.core._parse(stream, scope, path)
        except construct.ConstructError as error:
            at = scope.base + start
            stopped = cut(error, at, path)
            if stopped.value is not None or stopped.inner:
                size = stopped.fault.offset - at
                nodes.append(Node(field.name, field.type, at, size, stopped.value, stopped.inner))
            raise stopped from None
        node = Node(field.name, field.type, scope.base + start, stream.tell() - start, value, inner)
        scope.names[field.name] = node
        nodes.append(node)

    def out_of(self, rest: dict[str, Any], stream: Any, scope: Scope, path: str) -> None:
        field = self.field
        path = join(path, field.name)
        when = field.when
        if when is not None and not when.holds(scope.number(when.field, path)):
            return
        if field.name not in rest:
            raise construct.MappingError("no value at all", path=path)
        self.core._build(rest.pop(field.name), stream, scope, path)


def member(field: Field, owner: Schema) -> Member | Subsections:
    if field.type == "subsections":
        return Subsections(owner)
    if field.type in LISTS:
        return Member(field, List(field))
    if field.type in NESTED:
        return Member(field, Array(field) if field.count is not None else Struct(field))
    if field.type in {"string", "vbuffer"}:
        return Member(field, Text(field))
    if field.count is not None or field.type == "pci irq state":
        return Member(field, Numbers(field))
    return Member(field, One(field))


class Struct(Core):
    """A nested vmsd."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.subcon = grammar(*_versioned(field))
        self.fixed = self.subcon.fixed

    def _parse(self, stream: Any, context: Any, path: str) -> Parsed:
        return None, self.subcon._parse(stream, context, path)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> object:
        return self.subcon._build(obj, stream, context, path)


def _versioned(field: Field) -> tuple[Schema, int]:
    """A field's struct and the version it is loaded with."""
    if field.struct is None:
        raise StreamError(0, field.name, "a struct", "none")
    if field.type in {"tmp", "qtailq", "qlist", "gtree"}:
        return field.struct, field.since
    if field.type == "vstruct" and field.version is not None:
        return field.struct, field.version
    return field.struct, field.struct.version


class Array(Core):
    """An array of nested vmsds. If their size is fixed they stay bytes (`Structs`)."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.element = grammar(*_versioned(field))
        self.count = field.count
        if isinstance(self.count, int) and self.element.fixed is not None:
            self.fixed = self.count * self.element.fixed

    def _parse(self, stream: Any, context: Any, path: str) -> Parsed:
        count = times(self.count, context, path)
        size = self.element.fixed
        if size:
            return None, self._structs(stream, context, path, count, size)
        if size == 0 and count > 1:
            count = 1  # elements without bytes: one stands for all, however many a stream claims
        nodes = []
        for i in range(count):
            start = stream.tell()
            try:
                inner = self.element._parse(stream, context, f"{path}[{i}]")
            except Cut as stopped:
                at = context.base + start
                if stopped.inner:
                    nodes.append(Node(f"[{i}]", "element", at, stopped.fault.offset - at, None, stopped.inner))
                raise Cut(stopped.fault, None, tuple(nodes)) from None
            nodes.append(Node(f"[{i}]", "element", context.base + start, stream.tell() - start, None, inner))
            if stream.tell() == start:
                break
        return None, tuple(nodes) or Structs(b"", 1, self.element, context)

    def _structs(self, stream: Any, context: Any, path: str, count: int, size: int) -> Structs:
        start = stream.tell()
        data = stream.read(count * size)
        if len(data) == count * size:
            return Structs(data, size, self.element, context)
        whole = len(data) // size
        stream.seek(start + whole * size)
        at = context.base + start + whole * size
        try:
            self.element._parse(stream, context, f"{path}[{whole}]")
        except Cut as stopped:
            last = Node(f"[{whole}]", "element", at, stopped.fault.offset - at, None, stopped.inner)
            if not stopped.inner and not whole:
                raise
            inner = Structs(data[: whole * size], size, self.element, context, last if stopped.inner else None)
            raise Cut(stopped.fault, None, inner) from None
        raise construct.ExplicitError("an element longer than it is", path=path)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> object:
        count = times(self.count, context, path)
        if self.element.fixed == 0:
            count = min(count, 1)
        if isinstance(obj, bytes) and self.element.fixed is not None and len(obj) == count * self.element.fixed:
            stream.write(obj)
            return obj
        if not isinstance(obj, Sequence) or len(obj) > count or (count and not obj):
            raise construct.MappingError(f"not {count} elements", path=path)
        built: dict[int, bytes] = {}
        for i, value in enumerate(obj):
            # `values` gives one and the same dict for equal elements, and 1000 of 1024 queues are zero.
            if id(value) not in built:
                one = io.BytesIO()
                self.element._build(value, one, context, f"{path}[{i}]")
                built[id(value)] = one.getvalue()
            stream.write(built[id(value)])
        if len(obj) < count and built[id(obj[-1])]:
            raise construct.MappingError(f"not {count} elements", path=path)
        return obj


@dataclass(frozen=True)
class Structs:
    """The elements of an array of structs of fixed size, as bytes."""

    data: bytes
    size: int
    element: Vmsd = dataclass_field(compare=False)
    context: Scope = dataclass_field(compare=False)
    last: Node | None = None
    """An element that the end of the payload cut off, of a tree that is partial; not in `data`."""

    def expand(self, offset: int) -> tuple[Node, ...]:
        """All elements."""
        nodes = tuple(self._node(offset, i) for i in range(len(self.data) // self.size))
        return nodes if self.last is None else (*nodes, self.last)

    def at(self, offset: int, index: int) -> Node | None:
        """Element `index`."""
        if self.last is not None and index == len(self.data) // self.size:
            return self.last
        return self._node(offset, index) if 0 <= index < len(self.data) // self.size else None

    def values(self) -> list[Values]:
        """Those of the elements; equal elements give one and the same object."""
        known: dict[bytes, Values] = {}
        result = []
        for i in range(0, len(self.data), self.size):
            chunk = self.data[i : i + self.size]
            if chunk not in known:
                known[chunk] = self._node(0, i // self.size).values()
            result.append(known[chunk])
        return result if self.last is None else [*result, self.last.values()]

    def _node(self, offset: int, index: int) -> Node:
        at = index * self.size
        inner_base = Scope(self.context)
        inner_base.base = offset + at
        inner = self.element._parse(io.BytesIO(self.data[at : at + self.size]), inner_base, "(parsing)")
        return Node(f"[{index}]", "element", offset + at, self.size, None, inner)


class List(Core):
    """qtailq, qlist, gtree and the repeats: elements each announced by a number above 0."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.subcon = grammar(*_versioned(field)) if field.struct is not None else None
        self.counted = field.type == "gtree"
        self.type = ANNOUNCED[field.type]
        self.number = construct.FormatField(">", INTEGERS[self.type][0].replace("I", "L"))

    def _parse(self, stream: Any, context: Any, path: str) -> Parsed:
        nodes: list[Node] = []
        base = context.base
        if self.counted:
            start = stream.tell()
            try:
                count = construct.Int32ub._parse(stream, context, path)
            except construct.ConstructError as error:
                raise cut(error, base + start, f"{path}@count") from None
            nodes.append(Node("@count", "uint32", base + start, 4, count))
        for i in itertools.count():
            start = stream.tell()
            try:
                more = self.number._parse(stream, context, path)
            except construct.ConstructError as error:
                stopped = cut(error, base + start, f"{path}[{i}]")
                raise Cut(stopped.fault, None, tuple(nodes)) from None
            width = stream.tell() - start
            if more <= 0:
                nodes.append(Node("@end", self.type, base + start, width, more))
                break
            if self.subcon is None:
                fault = Fault(base + start, plain(f"{path}[{i}]"), "no element, for nobody knows of what", str(more))
                raise Cut(fault, None, tuple(nodes))
            marker = Node("@more", self.type, base + start, width, more)
            try:
                inner = self.subcon._parse(stream, Scope(context, {"@more": more}), f"{path}[{i}]")
            except Cut as stopped:
                size = stopped.fault.offset - base - start
                parts = stopped.inner if isinstance(stopped.inner, tuple) else ()
                nodes.append(Node(f"[{i}]", "element", base + start, size, None, (marker, *parts)))
                raise Cut(stopped.fault, None, tuple(nodes)) from None
            nodes.append(Node(f"[{i}]", "element", base + start, stream.tell() - start, None, (marker, *inner)))
        return None, tuple(nodes)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> object:
        if not isinstance(obj, Sequence):
            raise construct.MappingError(f"no list but {type(obj).__name__}", path=path)
        end = obj[-1] if obj and isinstance(obj[-1], int) and not self.counted else 0
        if end:
            obj = obj[:-1]
        if self.counted:
            told = obj[0] if obj and isinstance(obj[0], int) else len(obj)
            obj = obj[1:] if obj and isinstance(obj[0], int) else obj
            construct.Int32ub._build(told, stream, context, path)
        for i, value in enumerate(obj):
            if self.subcon is None or not isinstance(value, Mapping):
                raise construct.MappingError("no dict of fields", path=f"{path}[{i}]")
            rest = dict(value)
            more = rest.pop("@more", 1)
            self.number._build(more, stream, context, f"{path}[{i}]@more")
            self.subcon._build(rest, stream, Scope(context, {"@more": more}), f"{path}[{i}]")
        self.number._build(end, stream, context, f"{path}@end")
        return obj


class Subsections(construct.Construct):
    """A scan for subsections (QEMU's rule; an unknown one ends it here, where QEMU would refuse)."""

    fixed: int | None = None

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.own = schema.name.encode()
        self.known: dict[bytes, Schema] = {}
        for sub in schema.subsections:
            self.known.setdefault(sub.name.encode(), sub)

    def into(self, nodes: list[Node], stream: Any, scope: Scope, path: str) -> None:
        seen: dict[str, int] = {}
        while (sub := self._next(stream)) is not None:
            start = stream.tell()
            stream.seek(start + 2 + len(sub.name.encode()))
            count = seen[sub.name] = seen.get(sub.name, -1) + 1
            name = f"{sub.name}#{count}" if count else sub.name
            place = scope.base + start
            behind = place + 2 + len(sub.name.encode())
            try:
                version = construct.Int32ub._parse(stream, scope, join(path, name))
            except construct.ConstructError as error:
                raise cut(error, behind, f"{join(path, name)}@version") from None
            at = Node("@version", "uint32", behind, 4, version)
            try:
                inner = grammar(sub, min(version & 0xFF, sub.version))._parse(stream, scope, join(path, name))
            except Cut as stopped:
                parts = stopped.inner if isinstance(stopped.inner, tuple) else ()
                nodes.append(Node(name, "subsection", place, stopped.fault.offset - place, None, (at, *parts)))
                raise
            size = stream.tell() - start
            nodes.append(Node(name, "subsection", scope.base + start, size, None, (at, *inner)))

    def _next(self, stream: Any) -> Schema | None:
        start = stream.tell()
        head = stream.read(2)
        name = stream.read(head[1]) if len(head) == 2 and head[0] == SUBSECTION else b""
        stream.seek(start)
        return self.known.get(name)

    def out_of(self, rest: dict[str, Any], stream: Any, scope: Scope, path: str) -> None:
        for name in list(rest):
            sub = self.known.get(name.partition("#")[0].encode())
            if sub is None:
                continue
            value = rest.pop(name)
            path_of = join(path, name)
            if not isinstance(value, Mapping):
                raise construct.MappingError(f"no dict of fields but {type(value).__name__}", path=path_of)
            inner = dict(value)
            version = inner.pop("@version", sub.version)
            head = construct.Prefixed(construct.Int8ub, construct.GreedyBytes)
            stream.write(bytes([SUBSECTION]))
            head._build(sub.name.encode(), stream, scope, path_of)
            construct.Int32ub._build(version, stream, scope, path_of)
            grammar(sub, min(version & 0xFF, sub.version))._build(inner, stream, scope, path_of)
