"""Names already read, and the constructs of fields without a schema of their own."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import construct

from vmformat import pci
from vmformat.errors import Fault
from vmformat.node import Leafs, Node
from vmformat.schema import INTEGERS, LITTLE_ENDIAN, Count

if TYPE_CHECKING:
    from vmformat.node import Inner
    from vmformat.schema import Field


class Cut(construct.ConstructError):
    """A payload that could not be read on: what was read of the innermost piece, and why."""

    def __init__(self, fault: Fault, value: Leafs | None = None, inner: tuple[Node, ...] | Inner = ()) -> None:
        super().__init__(str(fault), path=fault.path)
        self.fault = fault
        self.value = value
        self.inner = inner


def cut(error: construct.ConstructError, offset: int, path: str) -> Cut:
    """The error of a field that begins at `offset`."""
    if isinstance(error, Cut):
        return error
    if isinstance(error, construct.StreamError):
        return Cut(Fault(offset, plain(path), "more bytes", "the end of the payload"))
    lines = [line for line in str(error).splitlines() if line and not line.startswith("Error in path")]
    return Cut(Fault(offset, plain(path), "what the schema says", lines[0] if lines else "nothing"))


def plain(path: str) -> str:
    """A construct's path without its first word."""
    return path.removeprefix("(parsing)").removeprefix("(building)").removeprefix(".")


class Scope:
    """Names already read (or given, when building) in one vmsd, and the vmsd around it."""

    __slots__ = ("base", "names", "outer")

    def __init__(self, outer: object, names: Mapping[str, object] | None = None) -> None:
        self.outer = outer if isinstance(outer, Scope) else None
        self.base: int = self.outer.base if self.outer else outer.get("base", 0) if isinstance(outer, dict) else 0
        self.names: dict[str, object] = dict(names or {})

    def number(self, name: str, path: str) -> int:
        """The integer field that `name` means here (rules: `schema`)."""
        scope: Scope | None = self
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


Parsed: TypeAlias = "tuple[Leafs | None, tuple[Node, ...] | Inner]"


class Core(construct.Construct):
    """What a field holds. `fixed`: bytes, if always as many and never followed by a subsection."""

    fixed: int | None = None

    def _parse(self, stream: Any, context: Any, path: str) -> Parsed:
        raise NotImplementedError


class One(Core):
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
        inside = pci.INSIDES.get(self.type)
        return value, () if inside is None else inside(value)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> object:
        if isinstance(obj, bool):
            obj = int(obj)
        if not isinstance(obj, int if self.integer else bytes):
            raise construct.MappingError(f"{type(obj).__name__}", path=path)
        if isinstance(obj, bytes) and len(obj) != self.width:
            raise construct.MappingError(f"{len(obj)} bytes, not {self.width}", path=path)
        return self.subcon._build(obj, stream, context, path)


class Numbers(Core):
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
        count = times(self.count, context, path)
        start = stream.tell()
        data = stream.read(count * self.width)
        if len(data) != count * self.width:
            whole = len(data) // self.width
            stream.seek(start)
            at = context.base + start + whole * self.width
            fault = Fault(at, plain(f"{path}[{whole}]"), "more bytes", "the end of the payload")
            if not whole:
                raise Cut(fault)
            if self.code:
                raise Cut(fault, struct.unpack_from(f"{self.order}{whole}{self.code}", data))
            pieces = tuple(data[i * self.width : (i + 1) * self.width] for i in range(whole))
            raise Cut(fault, b"".join(pieces) if self.width == 1 else pieces)
        if self.code:
            return struct.unpack(f"{self.order}{count}{self.code}", data), ()
        if not self.width:
            return b"", ()
        if self.width == 1:
            return data, ()
        return tuple(data[i : i + self.width] for i in range(0, len(data), self.width)), ()

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> object:
        count = times(self.count, context, path)
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


class Text(Core):
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


def times(count: int | Count | None, scope: Scope, path: str) -> int:
    if isinstance(count, Count):
        return count.elements(scope.number(count.field, path), loading=False) or 0
    return 1 if count is None else count
