"""Fields whose size varies, one by one; structs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmformat._layout.fixed import LARGEST_BLANK, Fixed, Numbers
from vmformat._layout.layout import Record
from vmformat._layout.scope import SHORT, Cut, Misfit, Source, times
from vmformat.errors import StreamError
from vmformat.node import Node, join
from vmformat.schema import Count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vmformat._layout.layout import Layout
    from vmformat._layout.scope import Given, Names
    from vmformat.errors import Fault
    from vmformat.node import Values
    from vmformat.schema import Field


class Step:
    """One field that varies. What `read` gives as a part, the others take."""

    __slots__ = ("again", "field", "lies", "name", "type", "when")

    def __init__(self, field: Field) -> None:
        self.again = False
        """Whether a scan for subsections is not the vmsd's first: what values have of them was written there."""
        self.field = field
        self.name = field.name
        self.type = field.type
        self.when = field.when
        self.lies = False
        """Whether there may be something that QEMU refuses; `check` finds it."""

    def read(self, record: Record, source: Source, position: int) -> tuple[Any, int]:
        """Measure it: a part, and the position behind. Raises Cut, whose `part` is the same, as far as it could be."""
        raise NotImplementedError

    def nodes(self, record: Record, part: Any, into: list[Node]) -> None:
        """Add its node."""
        raise NotImplementedError

    def values(self, record: Record, part: Any, values: dict[str, Values]) -> None:
        """Add its values."""
        raise NotImplementedError

    def write(self, values: Mapping[str, Any], scope: Given, out: list[bytes]) -> int:
        """Add the bytes of what `values` have for it; how many of them these are. Raises Misfit."""
        if self.name not in values:
            raise Misfit("no value at all", self.name)
        try:
            self.put(values[self.name], scope, out)
        except Misfit as misfit:
            misfit.names.append(self.name)
            raise
        return 1

    def put(self, value: Any, scope: Given, out: list[bytes]) -> None:
        """Add the bytes of a value. Raises Misfit."""
        raise NotImplementedError

    def names(self, _values: Mapping[str, Any]) -> Iterable[str]:
        """Which of `values` are for it."""
        return (self.name,)

    def inside(self, _part: Any, _name: str) -> int | None:
        """The integer field called `name` within this one, if it is one."""
        return None

    def check(self, record: Record, part: Any, path: str, faults: list[Fault]) -> None:
        """Add what QEMU would refuse here."""

    def blank(self, values: dict[str, Values], scope: Given) -> None:
        """Add the value that is all zeros."""
        raise NotImplementedError


class Text(Step):
    """A length and that many bytes. A part is where it begins and ends, and the width of the length."""

    __slots__ = ("width",)

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self.width = 1 if field.type == "string" else 4

    def read(self, record: Record, source: Source, position: int) -> tuple[tuple[int, int], int]:
        behind = position + self.width
        if behind > source.limit:
            raise Cut(position, self.name, *SHORT)
        end = behind + int.from_bytes(source.data[position:behind], "big")
        if end > source.limit:
            raise Cut(position, self.name, *SHORT)
        return (position, end), end

    def nodes(self, record: Record, part: tuple[int, int], into: list[Node]) -> None:
        start, end = part
        value = bytes(record.source.data[start + self.width : end])
        into.append(Node(self.name, self.type, record.source.base + start, end - start, value))

    def values(self, record: Record, part: tuple[int, int], values: dict[str, Values]) -> None:
        values[self.name] = bytes(record.source.data[part[0] + self.width : part[1]])

    def put(self, value: Any, scope: Given, out: list[bytes]) -> None:
        data = value.encode() if isinstance(value, str) else value
        if not isinstance(data, bytes):
            raise Misfit(type(data).__name__)
        if len(data) >> 8 * self.width:
            raise Misfit(f"{len(data)} bytes")
        out += (len(data).to_bytes(self.width, "big"), data)

    def blank(self, values: dict[str, Values], scope: Given) -> None:
        values[self.name] = b""


class Counted(Step):
    """An array of integers or buffers whose length an earlier field tells. A part is where, and how many."""

    __slots__ = ("array", "count")

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        assert isinstance(field.count, Count)
        self.count = field.count
        self.array = Numbers(field, 0)
        self.lies = self.array.lies

    def read(self, record: Record, source: Source, position: int) -> tuple[tuple[int, int], int]:
        count = counted(self.count, record, position, self.name)
        width = self.array.width
        end = position + count * width
        if end > source.limit:
            whole = (source.limit - position) // width
            cut = Cut(position + whole * width, f"[{whole}]", *SHORT, (position, whole) if whole else None)
            cut.names.append(self.name)
            raise cut
        return (position, count), end

    def nodes(self, record: Record, part: tuple[int, int], into: list[Node]) -> None:
        into.append(self.array.some(record.source, *part))

    def values(self, record: Record, part: tuple[int, int], values: dict[str, Values]) -> None:
        values[self.name] = self.array.read(record.source.data, *part)

    def put(self, value: Any, scope: Given, out: list[bytes]) -> None:
        self.array.write_some(value, wanted(self.count, scope), out)

    def check(self, record: Record, part: tuple[int, int], path: str, faults: list[Fault]) -> None:
        self.array.check_some(record.source, *part, path, faults)

    def blank(self, values: dict[str, Values], scope: Given) -> None:
        count = wanted(self.count, scope)
        values[self.name] = self.array.read(bytes(sane(self.name, count * self.array.width)), 0, count)


def counted(count: Count, names: Names, position: int, path: str) -> int:
    """How many elements there are when reading."""
    number = times(count, names)
    if number is None:
        raise Cut(position, path, f"an earlier field {count.field!r} to count by", "none")
    return number


def wanted(count: Count, scope: Given) -> int:
    """How many elements there are when writing."""
    number = times(count, scope)
    if number is None:
        raise Misfit(f"an earlier field {count.field!r} to count by")
    return number


def sane(name: str, size: int) -> int:
    """A size in bytes that zeros may take. Raises StreamError."""
    if size > LARGEST_BLANK:
        raise StreamError(0, name, "a field of sane size", str(size))
    return size


class FixedStruct(Fixed):
    """A nested vmsd of fixed size."""

    __slots__ = ("layout",)

    def __init__(self, field: Field, layout: Layout) -> None:
        super().__init__(field, layout.fixed or 0)
        self.layout = layout
        self.lies = layout.lies

    def node(self, source: Source, position: int) -> Node:
        inner = whole(self.layout, source, position)
        return Node(self.name, self.type, source.base + position, self.fixed, None, inner or ())

    def value(self, data: bytes, position: int) -> dict[str, Values]:
        return self.layout.values(data, position)

    def cut(self, source: Source, position: int) -> Cut:
        cut = cut_off(self.layout, source, position)
        record = cut.part
        assert isinstance(record, Record)
        size = cut.position - position
        inner = record.inner
        cut.part = Node(self.name, self.type, source.base + position, size, None, inner) if inner else None
        cut.names.append(self.name)
        return cut

    def inside(self, source: Source, position: int, name: str) -> int | None:
        record = whole(self.layout, source, position)
        return None if record is None else record.reach(name)

    def write(self, value: Any, out: list[bytes]) -> None:
        self.layout.write(value, None, out)

    def check(self, source: Source, position: int, path: str, faults: list[Fault]) -> None:
        record = whole(self.layout, source, position)
        if record is not None:
            record.check(join(path, self.name), faults)


def whole(layout: Layout, source: Source, position: int) -> Record | None:
    """The record of a layout of fixed size whose bytes are all there; None if it has no fields."""
    if layout.run is None:
        return None
    record = Record(layout, source, position, None, None)
    record.parts.append(position)
    record.end = position + layout.run.size
    return record


def cut_off(layout: Layout, source: Source, position: int) -> Cut:
    """Why the bytes up to the limit are too few for a layout of fixed size."""
    try:
        layout.read(source, position, None)
    except Cut as cut:
        return cut
    raise AssertionError  # pragma: no cover - who asks has compared the sizes


class Struct(Step):
    """A nested vmsd that varies. A part is its record."""

    __slots__ = ("layout",)

    def __init__(self, field: Field, layout: Layout) -> None:
        super().__init__(field)
        self.layout = layout
        self.lies = layout.lies

    def read(self, record: Record, source: Source, position: int) -> tuple[Record, int]:
        try:
            inner = self.layout.read(source, position, record)
        except Cut as cut:
            if isinstance(cut.part, Record) and not cut.part.inner:
                cut.part = None
            raise cut.inside(self.name) from None
        return inner, inner.end

    def nodes(self, record: Record, part: Record, into: list[Node]) -> None:
        start = record.source.base + part.position
        into.append(Node(self.name, self.type, start, part.end - part.position, None, part.inner))

    def values(self, record: Record, part: Record, values: dict[str, Values]) -> None:
        values[self.name] = part.values()

    def put(self, value: Any, scope: Given, out: list[bytes]) -> None:
        self.layout.write(value, scope, out)

    def inside(self, part: Record, name: str) -> int | None:
        return part.reach(name)

    def check(self, record: Record, part: Record, path: str, faults: list[Fault]) -> None:
        part.check(join(path, self.name), faults)

    def blank(self, values: dict[str, Values], scope: Given) -> None:
        values[self.name] = self.layout.blank(scope)
