"""Elements: arrays of structs, and lists whose elements are announced one by one."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING, Any, cast

from vmformat._layout.fixed import MOST_FAULTS, Fixed
from vmformat._layout.layout import Lead, Record
from vmformat._layout.scope import SHORT, Cut, Misfit, Source
from vmformat._layout.steps import Step, counted, cut_off, sane, wanted, whole
from vmformat.errors import Fault
from vmformat.node import Node, Values, join
from vmformat.schema import ANNOUNCED, INTEGERS, Count

if TYPE_CHECKING:
    from vmformat._layout.layout import Layout
    from vmformat._layout.scope import Given
    from vmformat.node import Inner
    from vmformat.schema import Field


@dataclass(frozen=True)
class Structs:
    """The elements of an array of structs of fixed size, as bytes: an `Inner` of nodes."""

    data: bytes
    size: int
    layout: Layout = dataclass_field(compare=False)
    last: Node | None = None
    """An element that the end of the payload cut off, of a tree that is partial; not in `data`."""

    def expand(self, offset: int) -> tuple[Node, ...]:
        """All elements."""
        source = Source(self.data, len(self.data), offset)
        nodes = tuple(self._node(source, i) for i in range(len(self.data) // self.size))
        return nodes if self.last is None else (*nodes, self.last)

    def at(self, offset: int, index: int) -> Node | None:
        """Element `index`."""
        count = len(self.data) // self.size
        if index == count:
            return self.last
        return self._node(Source(self.data, len(self.data), offset), index) if 0 <= index < count else None

    def values(self) -> list[Values]:
        """Those of the elements; equal elements give one and the same object."""
        result = elements(self.layout, self.size, self.data)
        return result if self.last is None else [*result, self.last.values()]

    def _node(self, source: Source, index: int) -> Node:
        at = index * self.size
        return Node(f"[{index}]", "element", source.base + at, self.size, None, whole(self.layout, source, at) or ())


def elements(layout: Layout, size: int, data: bytes) -> list[Values]:
    """The values of structs of fixed size, back to back; equal structs give one and the same object."""
    if not data:
        return []
    # Of 1024 queues 1000 are zero: the last element again and again.
    last = same = data[-size:]
    end = len(data) - size
    while end >= len(same) and data.endswith(same, 0, end):
        end -= len(same)
        same += same
    while len(same) > size:
        same = same[: len(same) // 2]
        if end >= len(same) and data.endswith(same, 0, end):
            end -= len(same)
    known: dict[bytes, Values] = {}
    result: list[Values] = []
    for at in range(0, end, size):
        chunk = data[at : at + size]
        value = known.get(chunk)
        if value is None:
            value = known[chunk] = layout.values(data, at)
        result.append(value)
    value = known.get(last)
    return result + [layout.values(last, 0) if value is None else value] * ((len(data) - end) // size)


def write_elements(layout: Layout, value: Any, count: int, out: list[bytes]) -> None:
    """The inverse of `elements`. Raises Misfit."""
    size = layout.fixed or 0
    if isinstance(value, bytes) and len(value) == count * size:
        out.append(value)
        return
    if not isinstance(value, Sequence) or len(value) != count:
        raise Misfit(f"not {count} elements")
    end = count
    if count > 1 and isinstance(value, list):
        # Comparing lists is quick where their elements are one object.
        end -= 1
        same = value[-1:]
        while end >= len(same) and value[end - len(same) : end] == same:
            end -= len(same)
            same = same + same
        while len(same) > 1:
            same = same[: len(same) // 2]
            if end >= len(same) and value[end - len(same) : end] == same:
                end -= len(same)
        end += 1
    built: dict[int, bytes] = {}
    data = b""
    for i in range(end):
        element = value[i]
        known = built.get(id(element))
        if known is None:
            piece: list[bytes] = []
            try:
                layout.write(element, None, piece)
            except Misfit as misfit:
                misfit.names.append(f"[{i}]")
                raise
            known = built[id(element)] = b"".join(piece)
        data = known
        out.append(data)
    if count > end:
        out.append(data * (count - end))


class FixedArray(Fixed):
    """An array of nested vmsds of fixed size, always as many."""

    __slots__ = ("count", "layout", "size")

    def __init__(self, field: Field, layout: Layout, count: int) -> None:
        self.layout = layout
        self.size = layout.fixed or 0
        self.count = count if self.size else min(count, 1)
        super().__init__(field, self.size * self.count)
        self.lies = layout.lies

    def node(self, source: Source, position: int) -> Node:
        inner = self._inner(source, position, self.count)
        return Node(self.name, self.type, source.base + position, self.fixed, None, inner)

    def _inner(self, source: Source, position: int, count: int, last: Node | None = None) -> tuple[Node, ...] | Inner:
        return structs(self.layout, source, position, count, last)

    def value(self, data: bytes, position: int) -> list[Values]:
        if not self.size:
            return cast("list[Values]", [self.layout.values(data, position)] * self.count)
        return elements(self.layout, self.size, bytes(data[position : position + self.fixed]))

    def cut(self, source: Source, position: int) -> Cut:
        cut, count, last = cut_array(self.layout, source, position)
        if count or last is not None:
            inner = self._inner(source, position, count, last)
            size = cut.position - position
            cut.part = Node(self.name, self.type, source.base + position, size, None, inner)
        cut.names.append(self.name)
        return cut

    def write(self, value: Any, out: list[bytes]) -> None:
        write_elements(self.layout, value, self.count, out)

    def check(self, source: Source, position: int, path: str, faults: list[Fault]) -> None:
        check_structs(self.layout, source, position, self.count, join(path, self.name), faults)


def structs(
    layout: Layout, source: Source, position: int, count: int, last: Node | None = None
) -> tuple[Node, ...] | Structs:
    """What is inside the node of an array of structs of fixed size."""
    size = layout.fixed or 0
    if not size:
        offset = source.base + position
        inner = whole(layout, source, position) or ()
        nodes = tuple(Node(f"[{i}]", "element", offset, 0, None, inner) for i in range(count))
        return nodes or Structs(b"", 1, layout)
    return Structs(bytes(source.data[position : position + count * size]), size, layout, last)


def cut_array(layout: Layout, source: Source, position: int) -> tuple[Cut, int, Node | None]:
    """Why the bytes are too few for an array of structs of fixed size; how many are whole, what is left of the next."""
    size = layout.fixed or 0
    count = (source.limit - position) // size
    at = position + count * size
    cut = cut_off(layout, source, at)
    record, last = cut.part, None
    if isinstance(record, Record) and record.inner:
        last = Node(f"[{count}]", "element", source.base + at, cut.position - at, None, record.inner)
    cut.part = None
    cut.names.append(f"[{count}]")
    return cut, count, last


def check_structs(layout: Layout, source: Source, position: int, count: int, path: str, faults: list[Fault]) -> None:
    """Add what QEMU would refuse in an array of structs of fixed size."""
    size = layout.fixed or 0
    if layout.lies and size:
        for i in range(count):
            if len(faults) >= MOST_FAULTS:
                return
            record = whole(layout, source, position + i * size)
            if record is not None:
                record.check(f"{path}[{i}]", faults)


class Elements:
    """Elements that vary, as the positions where each begins: an `Inner` of nodes. The part of arrays and lists."""

    __slots__ = ("cut", "end", "head", "owner", "starts", "step")

    def __init__(self, step: Array | List, owner: Record, position: int) -> None:
        self.step = step
        self.owner = owner
        self.head = position
        """Where the field begins; with a gtree that is its count."""
        self.starts = array("Q")
        self.end = position
        """The position behind the last byte."""
        self.cut = False
        """Whether a list has no end, because it could not be read to it."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Elements) and self.expand(0) == other.expand(0)

    def __hash__(self) -> int:
        return hash((self.head, self.end))

    @property
    def told(self) -> int:
        """How many elements a tree says that it has."""
        return int.from_bytes(self.owner.source.data[self.head : self.head + 4], "big")

    def record(self, index: int) -> Record:
        """Element `index`, read again."""
        step, source = self.step, self.owner.source
        start = self.starts[index]
        try:
            if isinstance(step, Array):
                return step.layout.read(source, start, self.owner)
            assert step.layout is not None
            more: int = step.unpack(source.data, start)[0]
            lead = Lead("@more", step.number, start, step.width, more)
            return step.layout.read(source, start + step.width, self.owner, lead, start)
        except Cut as cut:
            return cast("Record", cut.part)

    def at(self, _offset: int, index: int) -> Node | None:
        """Element `index`."""
        if not 0 <= index < len(self.starts):
            return None
        record = self.record(index)
        start = self.owner.source.base + record.position
        return Node(f"[{index}]", "element", start, record.end - record.position, None, record.inner)

    def expand(self, _offset: int) -> tuple[Node, ...]:
        """All elements, and what stands before and behind them."""
        source, step = self.owner.source, self.step
        nodes = [node for i in range(len(self.starts)) if (node := self.at(0, i)) is not None]
        if isinstance(step, List):
            if step.counted and self.end >= self.head + 4:
                nodes.insert(0, Node("@count", "uint32", source.base + self.head, 4, self.told))
            if not self.cut:
                at = self.end - step.width
                nodes.append(Node("@end", step.number, source.base + at, step.width, step.unpack(source.data, at)[0]))
        return tuple(nodes)

    def values(self) -> list[Values]:
        """Those of the elements. A number below 0 that ends them is the last, a tree's untrue count is the first."""
        result: list[Values] = [self.record(i).values() for i in range(len(self.starts))]
        if isinstance(self.step, List) and self.step.counted:
            told = self.told
            if told != len(result):
                result.insert(0, told)
        if isinstance(self.step, List) and not self.cut:
            end: int = self.step.unpack(self.owner.source.data, self.end - self.step.width)[0]
            if end:
                result.append(end)
        return result

    def __len__(self) -> int:
        return len(self.starts)

    def __bool__(self) -> bool:
        return True


class Array(Step):
    """An array of nested vmsds that vary in number or size. A part is a start and a count, or `Elements`."""

    __slots__ = ("count", "layout")

    def __init__(self, field: Field, layout: Layout) -> None:
        super().__init__(field)
        self.layout = layout
        self.count = field.count
        self.lies = layout.lies

    def read(
        self, record: Record, source: Source, position: int
    ) -> tuple[Elements | tuple[int, int, Node | None], int]:
        count = counted(self.count, record, position, self.name) if isinstance(self.count, Count) else self.count or 0
        size = self.layout.fixed
        if size is not None:
            count = count if size else min(count, 1)
            end = position + count * size
            if end > source.limit:
                cut, count, last = cut_array(self.layout, source, position)
                cut.part = (position, count, last) if count or last is not None else None
                cut.names.append(self.name)
                raise cut
            return (position, count, None), end
        found = Elements(self, record, position)
        for i in range(count):
            found.starts.append(position)
            try:
                end = self.layout.read(source, position, record).end
            except Cut as cut:
                found.end = cut.position
                if isinstance(cut.part, Record) and not cut.part.inner:
                    found.starts.pop()
                cut.part = found if found.starts else None
                cut.names += (f"[{i}]", self.name)
                raise
            if end == position:
                break  # what takes no bytes here never will: one stands for all that a stream claims
            position = end
        found.end = position
        return found, position

    def nodes(self, record: Record, part: Any, into: list[Node]) -> None:
        source = record.source
        if isinstance(part, Elements):
            start, end = part.head, part.end
            inner: tuple[Node, ...] | Inner = part if part.starts else Structs(b"", 1, self.layout)
        else:
            start, count, last = part
            inner = structs(self.layout, source, start, count, last)
            end = start + count * (self.layout.fixed or 0) if last is None else last.end - source.base
        into.append(Node(self.name, self.type, source.base + start, end - start, None, inner))

    def values(self, record: Record, part: Any, values: dict[str, Values]) -> None:
        if isinstance(part, Elements):
            values[self.name] = part.values()
            return
        start, count, last = part
        size = self.layout.fixed or 0
        data = record.source.data
        found: list[Values] = elements(self.layout, size, bytes(data[start : start + count * size])) if size else []
        if not size:
            found = cast("list[Values]", [self.layout.values(data, start)] * count)
        values[self.name] = found if last is None else [*found, last.values()]

    def put(self, value: Any, scope: Given, out: list[bytes]) -> None:
        count = wanted(self.count, scope) if isinstance(self.count, Count) else self.count or 0
        if self.layout.fixed is not None:
            write_elements(self.layout, value, count if self.layout.fixed else min(count, 1), out)
            return
        if not isinstance(value, Sequence) or len(value) > count or (count and not value):
            raise Misfit(f"not {count} elements")
        mark = 0
        for i, element in enumerate(value):
            mark = len(out)
            try:
                self.layout.write(element, scope, out)
            except Misfit as misfit:
                misfit.names.append(f"[{i}]")
                raise
        if len(value) < count and any(out[mark:]):
            raise Misfit(f"not {count} elements")

    def check(self, record: Record, part: Any, path: str, faults: list[Fault]) -> None:
        inside = join(path, self.name)
        if isinstance(part, Elements):
            for i in range(len(part.starts)):
                if len(faults) >= MOST_FAULTS:
                    return
                part.record(i).check(f"{inside}[{i}]", faults)
        else:
            check_structs(self.layout, record.source, part[0], part[1], inside, faults)

    def blank(self, values: dict[str, Values], scope: Given) -> None:
        count = wanted(self.count, scope) if isinstance(self.count, Count) else self.count or 0
        if self.layout.fixed == 0:
            count = min(count, 1)
        one = self.layout.blank(scope)
        values[self.name] = cast("list[Values]", [one] * sane(self.name, count))


class List(Step):
    """qtailq, qlist, gtree and the repeats: elements each announced by a number above 0. A part is `Elements`."""

    __slots__ = ("counted", "layout", "number", "pack", "unpack", "width")

    def __init__(self, field: Field, layout: Layout | None) -> None:
        super().__init__(field)
        self.layout = layout
        self.counted = field.type == "gtree"
        self.number = ANNOUNCED[field.type]
        code, self.width = INTEGERS[self.number]
        form = struct.Struct(f">{code}")
        self.pack, self.unpack = form.pack, form.unpack_from
        self.lies = self.counted or (layout is not None and layout.lies)

    def read(self, record: Record, source: Source, position: int) -> tuple[Elements, int]:
        found = Elements(self, record, position)
        found.cut = True
        if self.counted:
            if position + 4 > source.limit:
                raise Cut(position, "@count", *SHORT, None).inside(self.name)
            position = found.end = position + 4
        width, layout = self.width, self.layout
        while True:
            if position + width > source.limit:
                raise self._cut(Cut(position, "", *SHORT), found)
            more = self.unpack(source.data, position)[0]
            if more <= 0:
                break
            if layout is None:
                raise self._cut(Cut(position, "", "no element, for nobody knows of what", str(more)), found)
            lead = Lead("@more", self.number, position, width, more)
            try:
                end = layout.read(source, position + width, record, lead, position).end
            except Cut as cut:
                found.starts.append(position)
                cut.names.append(f"[{len(found.starts) - 1}]")
                found.end = cut.position
                cut.part = found
                raise cut.inside(self.name) from None
            found.starts.append(position)
            position = found.end = end
        found.end = position + width
        found.cut = False
        return found, found.end

    def _cut(self, cut: Cut, found: Elements) -> Cut:
        cut.names.append(f"[{len(found.starts)}]")
        cut.part = found if found.end > found.head else None
        return cut.inside(self.name)

    def nodes(self, record: Record, part: Elements, into: list[Node]) -> None:
        start = record.source.base + part.head
        into.append(Node(self.name, self.type, start, part.end - part.head, None, part))

    def values(self, record: Record, part: Elements, values: dict[str, Values]) -> None:
        values[self.name] = part.values()

    def put(self, value: Any, scope: Given, out: list[bytes]) -> None:
        if not isinstance(value, Sequence):
            raise Misfit(f"no list but {type(value).__name__}")
        end = value[-1] if value and isinstance(value[-1], int) and not self.counted else 0
        if end:
            value = value[:-1]
        if self.counted:
            told = value[0] if value and isinstance(value[0], int) else None
            value = value if told is None else value[1:]
            try:
                out.append((len(value) if told is None else told).to_bytes(4, "big"))
            except OverflowError as error:
                raise Misfit(str(error), "@count") from None
        for i, element in enumerate(value):
            if self.layout is None or not isinstance(element, Mapping):
                raise Misfit("no dict of fields", f"[{i}]")
            try:
                more = element.get("@more", 1)
                self._announce(more, "@more", out)
                self.layout.write(element, scope, out, 1 if "@more" in element else 0, more)
            except Misfit as misfit:
                misfit.names.append(f"[{i}]")
                raise
        self._announce(end, "@end", out)

    def _announce(self, number: object, path: str, out: list[bytes]) -> None:
        try:
            out.append(self.pack(number))
        except struct.error as error:
            raise Misfit(str(error), path) from None

    def check(self, record: Record, part: Elements, path: str, faults: list[Fault]) -> None:
        inside = join(path, self.name)
        if self.layout is not None and self.layout.lies:
            for i in range(len(part.starts)):
                if len(faults) >= MOST_FAULTS:
                    return
                part.record(i).check(f"{inside}[{i}]", faults)
        if self.counted and not part.cut:
            count = len(part.starts)
            if part.told != count:
                place = record.source.base + part.head
                faults.append(Fault(place, f"{inside}@count", f"{count}, the number of elements", str(part.told)))

    def blank(self, values: dict[str, Values], scope: Given) -> None:
        values[self.name] = []
