# ruff: noqa: SLF001 - a construct is made of other constructs and runs them by these names
"""The reader's and writer's way over a payload: a grammar made from a schema, trees of nodes, values to bytes.

Each kind of field is a construct; together they parse bytes into a `Node` tree that knows where everything stands, and
build bytes from plain values. The law: `encode(schema, decode(schema, payload).values()) == payload`. Names and paths
are those of `schema`; in addition, what is on the wire but no field of its own is a leaf named with an `@`:

- `list[2]@more`: the byte before an element (1 unless someone changed it), `list@end` the 0 after the last;
- `tree@count`: a gtree's number of elements;
- `virtio/started@version`: a subsection's version. A subsection that comes again is called `virtio/started#1`, `#2`.

Arrays of structs of fixed size (1024 queues) stay bytes until somebody looks inside: what a tree costs in time and
memory must not depend on how much of it is never looked at.
"""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Final

import construct

from vmformat import pci
from vmformat.errors import StreamError
from vmformat.node import Leafs, Node, Values, join
from vmformat.schema import INTEGERS, LISTS, LITTLE_ENDIAN, NESTED, Count, Field, Schema

SUBSECTION: Final = 0x05


def decode(schema: Schema, payload: bytes, offset: int = 0, version: int | None = None) -> Node:
    """The tree of a payload of `schema` (in `version`, default the schema's own); offsets count from `offset`.

    Raises StreamError unless the payload ends exactly where the schema does.
    """
    stream = io.BytesIO(payload)
    try:
        inner: tuple[Node, ...] = grammar(schema, version).parse_stream(stream, base=offset)
    except construct.StreamError as error:
        raise StreamError(offset + stream.tell(), _path(error), "more bytes", "the end of the payload") from None
    except construct.ConstructError as error:
        raise StreamError(offset + stream.tell(), _path(error), "what the schema says", _first(error)) from None
    except RecursionError:
        raise StreamError(offset + stream.tell(), schema.name, "less nesting", "too deep a schema") from None
    if stream.tell() != len(payload):
        found = f"{len(payload) - stream.tell()} bytes more"
        raise StreamError(offset + stream.tell(), schema.name, "the end of the payload", found)
    return Node(schema.name, "record", offset, len(payload), None, inner)


def end_of(schema: Schema, data: bytes, start: int, version: int | None = None) -> int:
    """The offset behind the payload that begins at `start` of `data`. Raises StreamError if the data end first."""
    stream = io.BytesIO(data)
    stream.seek(start)
    try:
        grammar(schema, version).parse_stream(stream)
    except construct.ConstructError as error:
        raise StreamError(stream.tell(), _path(error), "more bytes", _first(error)) from None
    return stream.tell()


def encode(schema: Schema, values: Values | Mapping[str, Any], version: int | None = None) -> bytes:
    """The payload of `schema` that holds `values` (as `Node.values` gives them).

    Every field that the version and the other values call for must be there, and nothing else. Raises StreamError
    naming the field that is missing or does not fit (its offset is how many bytes came before).
    """
    stream = io.BytesIO()
    try:
        grammar(schema, version).build_stream(values, stream)
    except construct.ConstructError as error:
        raise StreamError(stream.tell(), _path(error), "a value that fits", _first(error)) from None
    except (TypeError, ValueError, OverflowError, struct.error) as error:
        raise StreamError(stream.tell(), schema.name, "a value that fits", str(error)) from None
    return stream.getvalue()


def blank(schema: Schema, version: int | None = None) -> Values:
    """Values of `schema` that are all zero: no list element, no subsection. A start for `encode`."""
    inner: tuple[Node, ...] = grammar(schema, version).parse_stream(_Zeros(), base=0)
    return Node(schema.name, "record", 0, 0, None, inner).values()


class _Zeros(io.RawIOBase):
    """As many zeros as anyone asks for."""

    position = 0

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= 1 << 24:
            raise StreamError(self.position, "", "a field of sane size", str(size))
        self.position += size
        return bytes(size)

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.position = offset if whence == 0 else self.position + offset
        return self.position


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
            known = _GRAMMARS[id(schema), version] = schema, _Vmsd(schema, version)
        except RecursionError:
            raise StreamError(0, schema.name, "less nesting", "too deep a schema") from None
    return known[1]


def _path(error: construct.ConstructError) -> str:
    path: str = error.path or ""
    return path.removeprefix("(parsing)").removeprefix("(building)").removeprefix(".")


def _first(error: construct.ConstructError) -> str:
    lines = [line for line in str(error).splitlines() if line and not line.startswith("Error in path")]
    return lines[0] if lines else "nothing"


class _Scope:
    """Names already read (or given, when building) in one vmsd, and the vmsd around it."""

    __slots__ = ("base", "names", "outer")

    def __init__(self, outer: object, names: Mapping[str, object] | None = None) -> None:
        self.outer = outer if isinstance(outer, _Scope) else None
        self.base: int = self.outer.base if self.outer else outer.get("base", 0) if isinstance(outer, dict) else 0
        self.names: dict[str, object] = dict(names or {})

    def number(self, name: str, path: str) -> int:
        """The integer field that `name` means here (rules: `schema`)."""
        scope: _Scope | None = self
        while scope is not None:
            value = _reach(scope.names, name)
            if value is not None:
                return value
            scope = scope.outer
        raise construct.ExplicitError(f"an earlier field {name!r} to count by", path=path)


def _reach(names: Mapping[str, object], name: str) -> int | None:
    found = names.get(name)
    value = found.value if isinstance(found, Node) else found
    if isinstance(value, int):
        return value
    at = name.find(".")
    while at >= 0:
        inner = names.get(name[:at])
        if isinstance(inner, Node):
            inner = {child.name: child for child in inner.children} if inner.value is None else None
        if isinstance(inner, Mapping) and (reached := _reach(inner, name[at + 1 :])) is not None:
            return reached
        at = name.find(".", at + 1)
    return None


class _Vmsd(construct.Construct):
    """A vmsd: its fields, then its subsections. Parses to the nodes of both."""

    def __init__(self, schema: Schema, version: int) -> None:
        super().__init__()
        self.schema = schema
        fields = [
            field
            for field in schema.fields
            if field.type != "must exist" and (field.when is not None or field.since <= version)
        ]
        self.members = [_member(field, schema) for field in fields]
        self.tail = None if schema.raw or not schema.subsections else _Subsections(schema)
        sizes = [member.fixed for member in self.members]
        self.fixed: int | None = None
        if self.tail is None and None not in sizes:
            self.fixed = sum(size for size in sizes if size is not None)

    def _parse(self, stream: Any, context: object, path: str) -> tuple[Node, ...]:
        scope = _Scope(context)
        nodes: list[Node] = []
        for member in self.members:
            member.into(nodes, stream, scope, path)
        if self.tail is not None:
            self.tail.into(nodes, stream, scope, path)
        return tuple(nodes)

    def _build(self, obj: Any, stream: Any, context: object, path: str) -> object:
        if not isinstance(obj, Mapping):
            raise construct.MappingError(f"no dict of fields but {type(obj).__name__}", path=path)
        scope = _Scope(context, obj)
        rest = dict(obj)
        for member in self.members:
            member.out_of(rest, stream, scope, path)
        if self.tail is not None:
            self.tail.out_of(rest, stream, scope, path)
        if rest:
            raise construct.MappingError(f"unknown field {next(iter(rest))!r}", path=path)
        return obj


class _Member(construct.Construct):
    """One field of a vmsd, present or not. `core` parses to what a Node needs and builds from a value."""

    def __init__(self, field: Field, core: _Core) -> None:
        super().__init__()
        self.field = field
        self.core = core
        self.fixed = None if field.when is not None else core.fixed

    def into(self, nodes: list[Node], stream: Any, scope: _Scope, path: str) -> None:
        field = self.field
        path = join(path, field.name)
        when = field.when
        if when is not None and not when.holds(scope.number(when.field, path)):
            return
        start = stream.tell()
        value, inner = self.core._parse(stream, scope, path)
        node = Node(field.name, field.type, scope.base + start, stream.tell() - start, value, inner)
        scope.names[field.name] = node
        nodes.append(node)

    def out_of(self, rest: dict[str, Any], stream: Any, scope: _Scope, path: str) -> None:
        field = self.field
        path = join(path, field.name)
        when = field.when
        if when is not None and not when.holds(scope.number(when.field, path)):
            return
        if field.name not in rest:
            raise construct.MappingError("no value at all", path=path)
        self.core._build(rest.pop(field.name), stream, scope, path)


def _without_bytes(field: Field) -> bool:
    """Checks that a schema writes as fields ("must exist"): nothing on the wire."""
    return not (field.width or field.type in NESTED or field.type in {"string", "vbuffer", "subsections"})


def _member(field: Field, owner: Schema) -> _Member | _Subsections:
    if field.type == "subsections":
        return _Subsections(owner)
    if field.type in LISTS:
        return _Member(field, _List(field))
    if field.type in NESTED:
        return _Member(field, _Array(field) if field.count is not None else _Struct(field))
    if field.type in {"string", "vbuffer"}:
        return _Member(field, _Text(field))
    if field.count is not None or field.type == "pci irq state":
        return _Member(field, _Numbers(field))
    return _Member(field, _One(field))


Parsed = tuple[Leafs | None, "tuple[Node, ...] | Structs | pci.Config | pci.Msix"]


class _Core(construct.Construct):
    """What a field holds. `fixed`: bytes, if always as many and never followed by a subsection."""

    fixed: int | None = None

    def _parse(self, stream: Any, context: Any, path: str) -> Parsed:
        raise NotImplementedError


class _One(_Core):
    """An integer or bytes."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.type = field.type
        self.fixed = self.width = field.width
        known = INTEGERS.get(field.type)
        order = "<" if field.type in LITTLE_ENDIAN else ">"
        self.integer = known is not None
        self.subcon = (
            construct.FormatField(order, known[0].replace("i", "l").replace("I", "L"))
            if known
            else (construct.Bytes(self.width))
        )

    def _parse(self, stream: Any, context: Any, path: str) -> Parsed:
        value = self.subcon._parse(stream, context, path)
        if self.type == "pci config":
            return value, pci.Config(value)
        if self.type == "msix state":
            return value, pci.Msix(value)
        return value, ()

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> object:
        if isinstance(obj, bool):
            obj = int(obj)
        if not isinstance(obj, int if self.integer else bytes):
            raise construct.MappingError(f"{type(obj).__name__}", path=path)
        if isinstance(obj, bytes) and len(obj) != self.width:
            raise construct.MappingError(f"{len(obj)} bytes, not {self.width}", path=path)
        return self.subcon._build(obj, stream, context, path)


class _Numbers(_Core):
    """An array of integers or of buffers, all in one go: never one parse an element."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        known = INTEGERS.get(field.type)
        self.width = field.width
        self.code = known[0] if known else ""
        self.order = "<" if field.type in LITTLE_ENDIAN else ">"
        self.count = field.count
        if field.type == "pci irq state":
            self.code, self.width = "I", 4
            self.count = 4 if field.count is None else field.count * 4 if isinstance(field.count, int) else field.count
        self.fixed = self.count * self.width if isinstance(self.count, int) else None

    def _parse(self, stream: Any, context: Any, path: str) -> Parsed:
        count = _count(self.count, context, path)
        data = construct.stream_read(stream, count * self.width, path)
        if self.code:
            return struct.unpack(f"{self.order}{count}{self.code}", data), ()
        if not self.width:
            return b"", ()
        if self.width == 1:
            return data, ()
        return tuple(data[i : i + self.width] for i in range(0, len(data), self.width)), ()

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> object:
        count = _count(self.count, context, path)
        if self.code:
            if not isinstance(obj, Sequence) or len(obj) != count:
                raise construct.MappingError(f"not {count} numbers", path=path)
            try:
                data = struct.pack(f"{self.order}{count}{self.code}", *obj)
            except struct.error as error:
                raise construct.MappingError(str(error), path=path) from None
        else:
            data = obj if isinstance(obj, bytes) else b"".join(obj)
            if len(data) != count * self.width:
                raise construct.MappingError(f"{len(data)} bytes, not {count * self.width}", path=path)
        stream.write(data)
        return obj


class _Text(_Core):
    """A length and that many bytes."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        length = construct.Int8ub if field.type == "string" else construct.Int32ub
        self.subcon = construct.Prefixed(length, construct.GreedyBytes)

    def _parse(self, stream: Any, context: Any, path: str) -> Parsed:
        return self.subcon._parse(stream, context, path), ()

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> object:
        if isinstance(obj, str):
            obj = obj.encode()
        if not isinstance(obj, bytes):
            raise construct.MappingError(f"{type(obj).__name__}", path=path)
        return self.subcon._build(obj, stream, context, path)


class _Struct(_Core):
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


class _Array(_Core):
    """An array of nested vmsds. If their size is fixed they stay bytes (`Structs`)."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.element = grammar(*_versioned(field))
        self.count = field.count
        if isinstance(self.count, int) and self.element.fixed is not None:
            self.fixed = self.count * self.element.fixed

    def _parse(self, stream: Any, context: Any, path: str) -> Parsed:
        count = _count(self.count, context, path)
        size = self.element.fixed
        if size:
            return None, Structs(construct.stream_read(stream, count * size, path), size, self.element, context)
        if size == 0 and count > 1:
            count = 1  # elements without bytes: one stands for all, however many a stream claims
        nodes = []
        for i in range(count):
            start = stream.tell()
            inner = self.element._parse(stream, context, f"{path}[{i}]")
            nodes.append(Node(f"[{i}]", "element", context.base + start, stream.tell() - start, None, inner))
        return None, tuple(nodes) or Structs(b"", 1, self.element, context)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> object:
        count = _count(self.count, context, path)
        if self.element.fixed == 0:
            count = min(count, 1)
        if isinstance(obj, bytes) and len(obj) == count * (self.element.fixed or 0):
            stream.write(obj)
            return obj
        if not isinstance(obj, Sequence) or len(obj) != count:
            raise construct.MappingError(f"not {count} elements", path=path)
        built: dict[int, bytes] = {}
        for i, value in enumerate(obj):
            # `values` gives one and the same dict for equal elements, and 1000 of 1024 queues are zero.
            if id(value) not in built:
                one = io.BytesIO()
                self.element._build(value, one, context, f"{path}[{i}]")
                built[id(value)] = one.getvalue()
            stream.write(built[id(value)])
        return obj


@dataclass(frozen=True)
class Structs:
    """The elements of an array of structs of fixed size, as bytes."""

    data: bytes
    size: int
    element: _Vmsd = dataclass_field(compare=False)
    context: _Scope = dataclass_field(compare=False)

    def expand(self, offset: int) -> tuple[Node, ...]:
        """All elements."""
        return tuple(self._node(offset, i) for i in range(len(self.data) // self.size))

    def at(self, offset: int, index: int) -> Node | None:
        """Element `index`."""
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
        return result

    def _node(self, offset: int, index: int) -> Node:
        at = index * self.size
        inner_base = _Scope(self.context)
        inner_base.base = offset + at
        inner = self.element._parse(io.BytesIO(self.data[at : at + self.size]), inner_base, "(parsing)")
        return Node(f"[{index}]", "element", offset + at, self.size, None, inner)


class _List(_Core):
    """qtailq, qlist, gtree, repeat: elements each announced by a byte that is not 0."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.subcon = grammar(*_versioned(field)) if field.struct is not None else None
        self.counted = field.type == "gtree"

    def _parse(self, stream: Any, context: Any, path: str) -> Parsed:
        nodes: list[Node] = []
        base = context.base
        if self.counted:
            start = stream.tell()
            nodes.append(Node("@count", "uint32", base + start, 4, construct.Int32ub._parse(stream, context, path)))
        for i in itertools.count():
            start = stream.tell()
            more = construct.Int8ub._parse(stream, context, path)
            if not more:
                nodes.append(Node("@end", "uint8", base + start, 1, 0))
                break
            if self.subcon is None:
                raise construct.ExplicitError("an element, but nobody knows of what", path=path)
            marker = Node("@more", "uint8", base + start, 1, more)
            inner = self.subcon._parse(stream, context, f"{path}[{i}]")
            nodes.append(Node(f"[{i}]", "element", base + start, stream.tell() - start, None, (marker, *inner)))
        return None, tuple(nodes)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> object:
        if not isinstance(obj, Sequence):
            raise construct.MappingError(f"no list but {type(obj).__name__}", path=path)
        if self.counted:
            construct.Int32ub._build(len(obj), stream, context, path)
        for i, value in enumerate(obj):
            if self.subcon is None or not isinstance(value, Mapping):
                raise construct.MappingError("no dict of fields", path=f"{path}[{i}]")
            rest = dict(value)
            construct.Int8ub._build(rest.pop("@more", 1), stream, context, f"{path}[{i}]@more")
            self.subcon._build(rest, stream, context, f"{path}[{i}]")
        stream.write(b"\0")
        return obj


class _Subsections(construct.Construct):
    """A scan for subsections (QEMU's rule; an unknown one ends it here, where QEMU would refuse)."""

    fixed: int | None = None

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.own = schema.name.encode()
        self.known: dict[bytes, Schema] = {}
        for sub in schema.subsections:
            self.known.setdefault(sub.name.encode(), sub)

    def into(self, nodes: list[Node], stream: Any, scope: _Scope, path: str) -> None:
        seen: dict[str, int] = {}
        while (sub := self._next(stream)) is not None:
            start = stream.tell()
            stream.seek(start + 2 + len(sub.name.encode()))
            version = construct.Int32ub._parse(stream, scope, join(path, sub.name))
            inner = grammar(sub, min(version & 0xFF, sub.version))._parse(stream, scope, join(path, sub.name))
            count = seen[sub.name] = seen.get(sub.name, -1) + 1
            name = f"{sub.name}#{count}" if count else sub.name
            at = Node("@version", "uint32", scope.base + start + 2 + len(sub.name.encode()), 4, version)
            size = stream.tell() - start
            nodes.append(Node(name, "subsection", scope.base + start, size, None, (at, *inner)))

    def _next(self, stream: Any) -> Schema | None:
        start = stream.tell()
        head = stream.read(2)
        name = stream.read(head[1]) if len(head) == 2 and head[0] == SUBSECTION else b""
        stream.seek(start)
        return self.known.get(name)

    def out_of(self, rest: dict[str, Any], stream: Any, scope: _Scope, path: str) -> None:
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


def _count(count: int | Count | None, scope: _Scope, path: str) -> int:
    if isinstance(count, Count):
        return count.elements(scope.number(count.field, path), loading=False) or 0
    return 1 if count is None else count
