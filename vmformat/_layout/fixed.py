"""Fields of fixed size, and runs of them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, cast, final

from vmformat import pci
from vmformat._layout.scope import SHORT, Cut, Misfit
from vmformat.errors import Fault
from vmformat.node import Leafs, Node, join
from vmformat.schema import INTEGERS, LITTLE_ENDIAN

if TYPE_CHECKING:
    from vmformat._layout.scope import Source
    from vmformat.node import Inner, Values
    from vmformat.schema import Field

LARGEST_BLANK: Final = 1 << 24
"""Bytes of the largest field that a payload of zeros may have."""

MOST_FAULTS: Final = 1000
"""Of one payload no more values are complained of: a hostile one may hold millions."""

_BAD: Final = (KeyError, TypeError, ValueError, OverflowError, struct.error, Misfit)


class Fixed:
    """A field that always takes `fixed` bytes, and is never followed by a subsection."""

    __slots__ = ("field", "fixed", "lies", "name", "type")

    def __init__(self, field: Field, fixed: int) -> None:
        self.field = field
        self.name = field.name
        self.type = field.type
        self.fixed = fixed
        self.lies = False
        """Whether there are values that QEMU refuses; `check` finds them."""

    def node(self, source: Source, position: int) -> Node:
        """The field at `position`."""
        raise NotImplementedError

    def value(self, data: bytes, position: int) -> Values:
        """Its value there."""
        raise NotImplementedError

    def cut(self, source: Source, position: int) -> Cut:
        """Why the bytes up to the limit are too few for it; `part` is a Node of what could be read."""
        return Cut(position, self.name, *SHORT)

    def number(self, data: bytes, position: int) -> int | None:
        """The integer there, None if it is not one."""
        return None

    def inside(self, source: Source, position: int, name: str) -> int | None:
        """The integer field called `name` within the struct there, if it is one."""
        return None

    def write(self, value: Any, out: list[bytes]) -> None:
        """The bytes of a value. Raises Misfit."""
        raise NotImplementedError

    def check(self, source: Source, position: int, path: str, faults: list[Fault]) -> None:
        """Add what QEMU would refuse here."""


class Number(Fixed):
    """An integer."""

    __slots__ = ("pack", "unpack")

    def __init__(self, field: Field) -> None:
        super().__init__(field, field.width)
        form = struct.Struct(("<" if field.type in LITTLE_ENDIAN else ">") + INTEGERS[field.type][0])
        self.pack, self.unpack = form.pack, form.unpack_from
        self.lies = field.type in {"int32 le", "nullptr"}

    def node(self, source: Source, position: int) -> Node:
        value: int = self.unpack(source.data, position)[0]
        return Node(self.name, self.type, source.base + position, self.fixed, value)

    def value(self, data: bytes, position: int) -> int:
        value: int = self.unpack(data, position)[0]
        return value

    number = value

    def write(self, value: Any, out: list[bytes]) -> None:
        if not isinstance(value, int):
            raise Misfit(type(value).__name__)
        try:
            out.append(self.pack(value))
        except struct.error as error:
            raise Misfit(f"{value}: {error}") from None

    def check(self, source: Source, position: int, path: str, faults: list[Fault]) -> None:
        value = self.value(source.data, position)
        if self.type == "nullptr" and value != NULL:
            faults.append(
                Fault(source.base + position, join(path, self.name), "the mark of a null pointer, 0x30", hex(value))
            )
        elif self.type == "int32 le" and value < 0:
            faults.append(Fault(source.base + position, join(path, self.name), "a number of at least 0", str(value)))


NULL: Final = 0x30
"""What stands in a stream for a null pointer."""


class Raw(Fixed):
    """Bytes."""

    __slots__ = ()

    def node(self, source: Source, position: int) -> Node:
        value = self.value(source.data, position)
        make = pci.INSIDES.get(self.type)
        inner: tuple[Node, ...] | Inner = () if make is None else make(value)
        return Node(self.name, self.type, source.base + position, self.fixed, value, inner)

    def value(self, data: bytes, position: int) -> bytes:
        return bytes(data[position : position + self.fixed])

    def write(self, value: Any, out: list[bytes]) -> None:
        if not isinstance(value, bytes):
            raise Misfit(type(value).__name__)
        if len(value) != self.fixed:
            raise Misfit(f"{len(value)} bytes, not {self.fixed}")
        out.append(value)


class Numbers(Fixed):
    """An array of integers or of buffers (`code` is empty), read in one go: never one step an element."""

    __slots__ = ("code", "count", "order", "width")

    def __init__(self, field: Field, count: int) -> None:
        known = INTEGERS.get(field.type)
        self.width = field.width
        self.code = known[0] if known else ""
        self.order = "<" if field.type in LITTLE_ENDIAN else ">"
        self.count = count
        lies = field.type in {"int32 le", "nullptr"}
        if field.type == "pci irq state":
            self.code, self.width, self.count, lies = "I", 4, 4 * count, True
        super().__init__(field, self.count * self.width)
        self.lies = lies

    def node(self, source: Source, position: int) -> Node:
        return self.some(source, position, self.count)

    def some(self, source: Source, position: int, count: int) -> Node:
        """An array of `count` elements."""
        size = count * self.width
        return Node(self.name, self.type, source.base + position, size, self.read(source.data, position, count))

    def value(self, data: bytes, position: int) -> Leafs:
        return self.read(data, position, self.count)

    def read(self, data: bytes, position: int, count: int) -> Leafs:
        """`count` elements: a tuple, but bytes where an element is one byte that is no number."""
        if self.code:
            return struct.unpack_from(f"{self.order}{count}{self.code}", data, position)
        width = self.width
        if width <= 1:
            return bytes(data[position : position + count * width])
        return tuple(bytes(data[i : i + width]) for i in range(position, position + count * width, width))

    def cut(self, source: Source, position: int) -> Cut:
        whole = (source.limit - position) // self.width
        cut = Cut(position + whole * self.width, f"[{whole}]", *SHORT)
        cut.names.append(self.name)
        if whole:
            cut.part = self.some(source, position, whole)
        return cut

    def write(self, value: Any, out: list[bytes]) -> None:
        self.write_some(value, self.count, out)

    def write_some(self, value: Any, count: int, out: list[bytes]) -> None:
        """As `write`, `count` elements."""
        if self.code:
            if not isinstance(value, Sequence) or len(value) != count:
                raise Misfit(f"not {count} numbers")
            try:
                out.append(struct.pack(f"{self.order}{count}{self.code}", *value))
            except struct.error as error:
                raise Misfit(str(error)) from None
            return
        if not isinstance(value, bytes):
            if not isinstance(value, Sequence) or not all(isinstance(item, bytes) for item in value):
                raise Misfit(f"not {count} buffers")
            if any(len(item) != self.width for item in value):
                raise Misfit(f"not only buffers of {self.width} bytes")
            value = b"".join(value)
        if len(value) != count * self.width:
            raise Misfit(f"{len(value)} bytes, not {count * self.width}")
        out.append(value)

    def check(self, source: Source, position: int, path: str, faults: list[Fault]) -> None:
        self.check_some(source, position, self.count, path, faults)

    def check_some(self, source: Source, position: int, count: int, path: str, faults: list[Fault]) -> None:
        """As `check`, `count` elements."""
        for i, value in enumerate(cast("tuple[int, ...]", self.read(source.data, position, count))):
            if len(faults) >= MOST_FAULTS:
                return
            where = source.base + position + i * self.width, f"{join(path, self.name)}[{i}]"
            if self.type == "pci irq state" and value > 1:
                faults.append(Fault(*where, "an interrupt line's level, 0 or 1", str(value)))
            elif self.type == "nullptr" and value != NULL:
                faults.append(Fault(*where, "the mark of a null pointer, 0x30", hex(value)))
            elif self.type == "int32 le" and value < 0:
                faults.append(Fault(*where, "a number of at least 0", str(value)))


@final
class Run:
    """Neighbouring fields of fixed size, taken together.

    `chunks` are what is done for the values of all: (0, names, Struct, offset) for single numbers and buffers,
    (1, name, Struct, offset) for an array of numbers, (2, name, field, offset) for anything else.
    """

    __slots__ = ("chunks", "lies", "members", "offsets", "size", "when", "writers")

    def __init__(self, members: list[Fixed]) -> None:
        self.when = members[0].field.when
        self.members = members
        self.offsets: list[int] = []
        self.chunks: list[tuple[int, Any, Any, int]] = []
        self.writers: list[tuple[int, Any, Any, list[tuple[str, int]]]] = []
        self.lies = any(member.lies for member in members)
        at = start = 0
        names: list[str] = []
        buffers: list[tuple[str, int]] = []
        form = order = ""

        def close() -> None:
            nonlocal names, buffers, form
            if names:
                made = struct.Struct((order or ">") + form)
                self.chunks.append((0, tuple(names), made.unpack_from, start))
                self.writers.append((0, names[0] if len(names) == 1 else itemgetter(*names), made.pack, buffers))
            names, buffers, form = [], [], ""

        for member in members:
            self.offsets.append(at)
            if type(member) is Number or type(member) is Raw:
                wanted = (
                    "" if member.fixed == 1 or type(member) is Raw else "<" if member.type in LITTLE_ENDIAN else ">"
                )
                if not names:
                    start, order = at, ""
                elif wanted and order and wanted != order:
                    close()
                    start, order = at, ""
                order = order or wanted
                names.append(member.name)
                if type(member) is Raw:
                    form += f"{member.fixed}s"
                    buffers.append((member.name, member.fixed))
                else:
                    form += INTEGERS[member.type][0]
            else:
                close()
                if type(member) is Numbers and member.code:
                    made = struct.Struct(f"{member.order}{member.count}{member.code}")
                    self.chunks.append((1, member.name, made.unpack_from, at))
                    self.writers.append((1, member.name, made.pack, []))
                else:
                    self.chunks.append((2, member.name, member.value, at))
                    self.writers.append((2, member.name, member.write, []))
            at += member.fixed
        close()
        self.size = at

    def read(self, source: Source, position: int) -> int:
        """The position behind. Raises Cut."""
        end = position + self.size
        if end > source.limit:
            raise self._cut(source, position)
        return end

    def _cut(self, source: Source, position: int) -> Cut:
        for i, member in enumerate(self.members):
            at = position + self.offsets[i]
            if at + member.fixed > source.limit:
                cut = member.cut(source, at)
                last = cast("Node | None", cut.part)
                cut.part = Cropped(position, i, last) if i or last is not None else None
                return cut
        raise AssertionError  # pragma: no cover - the sum of the sizes is too large, so one of them is

    def fill(self, values: dict[str, Values], data: bytes, position: int) -> None:
        """Add the values of all fields."""
        for kind, name, read, at in self.chunks:
            if kind == 0:
                values.update(zip(name, read(data, position + at), strict=True))
            else:
                values[name] = read(data, position + at)

    def nodes(self, source: Source, position: int, into: list[Node]) -> None:
        """Add the nodes of all fields."""
        for member, at in zip(self.members, self.offsets, strict=True):
            into.append(member.node(source, position + at))

    def write(self, values: Mapping[str, Any], out: list[bytes]) -> int:
        """Add the bytes of all fields; how many these are. Raises Misfit."""
        mark = len(out)
        try:
            for kind, names, write, buffers in self.writers:
                if kind == 0:
                    for name, size in buffers:
                        value = values[name]
                        if not isinstance(value, bytes) or len(value) != size:
                            raise Misfit("")
                    if type(names) is str:
                        out.append(write(values[names]))
                    else:
                        out.append(write(*names(values)))
                elif kind == 1:
                    out.append(write(*values[names]))
                else:
                    write(values[names], out)
        except _BAD:
            # Once more, one by one: whose fault is it?
            del out[mark:]
            for member in self.members:
                put(member, values, out)
        return len(self.members)

    def check(self, source: Source, position: int, path: str, faults: list[Fault]) -> None:
        """Add what QEMU would refuse."""
        for member, at in zip(self.members, self.offsets, strict=True):
            if member.lies:
                member.check(source, position + at, path, faults)


class Cropped:
    """What the end of the bytes left of a run: so many whole fields, and what could be read of the next."""

    __slots__ = ("last", "position", "whole")

    def __init__(self, position: int, whole: int, last: Node | None) -> None:
        self.position = position
        self.whole = whole
        self.last = last

    def nodes(self, run: Run, source: Source) -> list[Node]:
        """The nodes of these."""
        pairs = zip(run.members[: self.whole], run.offsets, strict=False)
        found = [member.node(source, self.position + at) for member, at in pairs]
        return found if self.last is None else [*found, self.last]


def put(member: Fixed, values: Mapping[str, Any], out: list[bytes]) -> None:
    """Write one field of `values`. Raises Misfit with its name."""
    if member.name not in values:
        raise Misfit("no value at all", member.name)
    try:
        member.write(values[member.name], out)
    except Misfit as misfit:
        misfit.names.append(member.name)
        raise
