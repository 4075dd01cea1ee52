"""The steps that a compiled schema is made of (`plan` puts them together).

Every step can `run`: QEMU's own way, element by element, looking at the error latch where QEMU does. A step of fixed
size can also go `fast` over bytes that are known to be there. A `Run` joins neighbours of fixed size: when all their
bytes follow, and no nested struct among them is followed by what may be a subsection, only those do anything that
someone looks at (a check, a count needed later, a value a visitor wants); else each runs the slow way. Both ways must
give the same: that is the law which the tests hold them to.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, TypeAlias

from vmformat.schema import EQUAL, INTEGERS, LITTLE_ENDIAN, Field, Schema, When

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vmformat.reader import Reader
    from vmformat.schema import Count

EPERM: Final = 1
ENOENT: Final = 2
EIO: Final = 5
EINVAL: Final = 22

SUBSECTION: Final = 0x05
NULL_MARKER: Final = 0x30

HUNG_STEPS: Final = 1 << 24
"""More single reads past the end than this, in one loop that does not stop at the end, count as `hung`."""

HUNG_STRUCTS: Final = 1 << 16
"""The same for loops over whole structs, or over elements without bytes."""

Kind: TypeAlias = Literal["refused", "aborted", "hung"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a load ended badly.

    `errno` is positive (22 EINVAL, 5 EIO, 1 EPERM for a bare -1, 2 ENOENT); `messages` the lines QEMU prints, in order;
    `offset` where the field that failed begins in the stream, `field` its path.
    """

    errno: int
    messages: tuple[str, ...]
    offset: int
    field: str
    kind: Kind = "refused"

    def then(self, *lines: str) -> Refusal:
        """The same with more lines printed after."""
        return replace(self, messages=self.messages + lines)


class Visitor(Protocol):
    """What happens to a device while its payload is read. Called in QEMU's order; a Refusal ends the load."""

    def field(self, schema: Schema, field: Field, path: str, value: object) -> Refusal | None:
        """A wanted field has been read: int, bool, bytes, or tuple (arrays); a wanted struct comes as its bytes."""

    def pre_load(self, schema: Schema, path: str, version: int) -> Refusal | None:
        """A wanted vmsd begins."""

    def post_load(self, schema: Schema, path: str, version: int) -> Refusal | None:
        """A wanted vmsd is complete, subsections included."""

    def local(self, path: str) -> int:
        """The destination's own value of a field of an "... equal" or "int32 le" type."""

    def opaque(self, reader: Reader, schema: Schema, field: Field, path: str) -> Refusal | None:
        """A wanted field whose type this package does not know; read it from `reader`."""


class Context:
    """One load under way: where the bytes come from, who looks, counts seen so far."""

    __slots__ = ("indices", "reader", "slots", "strict", "visitor")

    def __init__(self, reader: Reader, visitor: Visitor | None, *, strict: bool = False) -> None:
        self.reader = reader
        self.visitor = visitor
        self.slots: dict[int, int] = {}
        self.indices: list[int] = []
        # For `measure`: no value is judged, and nothing reads past the end.
        self.strict = strict

    def where(self, path: str) -> str:
        """`path` with the present element numbers in its empty brackets."""
        if "[]" not in path:
            return path
        first, *rest = path.split("[]")
        return first + "".join([f"[{i}]{part}" for i, part in zip(self.indices, rest, strict=False)])


Result: TypeAlias = "Refusal | None"


class Looks(NamedTuple):
    """Offsets start, start+step, ... before stop at which a vmsd looks for its subsections."""

    start: int
    stop: int
    step: int
    name: bytes

    def moved(self, by: int) -> Looks:
        """The same further on."""
        return Looks(self.start + by, self.stop + by, self.step, self.name)

    def find(self, data: bytes, pos: int) -> bool:
        """Whether one of them may find something, seen from `pos`; true also if it would look past the end."""
        bytes_there = data[pos + self.start : pos + self.stop : self.step]
        hit = bytes_there.find(SUBSECTION)
        while hit >= 0:
            at = pos + self.start + hit * self.step
            if at + 1 == len(data):
                return True
            length = data[at + 1]
            if length > len(self.name) and (at + 2 + length > len(data) or data.startswith(self.name, at + 2)):
                return True
            hit = bytes_there.find(SUBSECTION, hit + 1)
        return False


class Op:
    """One step. `size` is None unless fixed; `active` says that `fast` does something."""

    __slots__ = ("active", "size")

    size: int | None
    active: bool

    def run(self, ctx: Context) -> Result:
        """The exact way."""
        raise NotImplementedError

    def fast(self, ctx: Context, data: bytes, at: int, origin: int) -> Result:
        """The same for data[at:at+size], all there; `origin` is data[0]'s offset in the stream. The reader stays."""
        raise NotImplementedError

    def scans(self) -> tuple[Looks, ...]:
        """Where in those bytes subsections are looked for (the byte right behind them included)."""
        return ()


@dataclass(frozen=True, slots=True)
class Place:
    """A field where it stands: what all steps of a field need."""

    schema: Schema
    field: Field
    path: str
    wanted: bool
    pattern: frozenset[str] | None  # only these element numbers of `path` are wanted

    def refuse(self, ctx: Context, refusal: Refusal) -> Refusal:
        """Print the line of this level, latch."""
        if self.schema.raw:
            return refusal
        ctx.reader.latch(refusal.errno)
        return refusal.then(f"Failed to load {self.schema.name}:{self.field.plain_name}")

    def latched(self, ctx: Context, start: int) -> Refusal | None:
        """The refusal of a field after which the error latch is set."""
        error = ctx.reader.error
        if not error or (self.schema.raw and not ctx.strict):
            return None
        return self.refuse(ctx, Refusal(error, (), ctx.reader.base + start, ctx.where(self.path)))

    def deliver(self, ctx: Context, value: object) -> Refusal | None:
        """Show the value to the visitor."""
        if ctx.visitor is None:
            return None
        path = ctx.where(self.path)
        if self.pattern is not None and path not in self.pattern:
            return None
        return ctx.visitor.field(self.schema, self.field, path, value)


def signed(value: int) -> int:
    """A 32-bit number as C prints it with %d."""
    return value - 0x1_0000_0000 if value & 0x8000_0000 else value


class Leaf(Op):
    """A field, or an array of them, of a type without a schema of its own and of known width."""

    __slots__ = ("check", "count", "place", "slot", "times", "unpack", "width")

    def __init__(self, place: Place, count: int | tuple[int, Count] | None, slot: int | None) -> None:
        self.place = place
        self.width = place.field.width
        self.slot = slot
        self.count = count  # a tuple: (slot of the count, how it counts)
        self.times = count if isinstance(count, int) else 1
        self.unpack = unpacker(place.field.type, self.times)
        self.check = CHECKS.get(place.field.type)
        self.size = None if isinstance(count, tuple) else self.width * self.times
        self.active = place.wanted or slot is not None or self.check is not None

    def fast(self, ctx: Context, data: bytes, at: int, origin: int) -> Result:
        values = self.unpack(data, at) if self.unpack else (data[at : at + self.width * self.times],)
        failed = self._judge(ctx, values, origin + at)
        return failed if failed is not None else self._tell(ctx, values)

    def run(self, ctx: Context) -> Result:
        reader, place = ctx.reader, self.place
        start = reader.pos
        if self.count is not None:
            return self._array(ctx, elements(ctx, self.count))
        chunk = (reader.digits if self.unpack else reader.take)(self.width)
        failed = self.fast(ctx, chunk.ljust(self.width, b"\0"), 0, reader.base + start)
        return failed if failed is not None else place.latched(ctx, start)

    def _array(self, ctx: Context, count: int | None) -> Result:
        """`count` elements. Those that follow whole are taken at once: none of them can meet the end."""
        reader, place, width = ctx.reader, self.place, self.width
        start = reader.pos
        if count is None:
            return Refusal(EIO, (), reader.base + start, ctx.where(place.path), "hung")
        whole = count if width == 0 else min(count, reader.remaining // width)
        if reader.error and not place.schema.raw:
            whole = min(whole, 1)
        chunk = reader.digits(whole * width)
        values = _values(place.field.type, chunk, whole) if self.active else ()
        failed = self._judge(ctx, values, reader.base + start)
        if failed is None and whole:
            failed = place.latched(ctx, start)
        if failed is not None:
            return failed
        if whole < count:
            tail = (reader.digits if self.unpack else reader.take)(width)
            if ctx.strict or not place.schema.raw:
                last = _values(place.field.type, tail.ljust(width, b"\0"), 1) if self.active else ()
                failed = self._judge(ctx, last, reader.base + start + whole * width)
                return failed if failed is not None else place.latched(ctx, start + whole * width)
            if count - whole > HUNG_STEPS:
                return Refusal(EIO, (), reader.base + start, ctx.where(place.path), "hung")
            if isinstance(self.count, int):
                values = _values(place.field.type, (chunk + tail).ljust(count * width, b"\0"), count)
        return self._tell(ctx, values)

    def _judge(self, ctx: Context, values: tuple[int, ...] | tuple[bytes], offset: int) -> Result:
        """What the type's own loader refuses."""
        if self.check is None or ctx.strict:
            return None
        for i, value in enumerate(values):
            assert isinstance(value, int)
            line = self.check(ctx, self.place, value)
            if line is not None:
                at = offset + i * INTEGERS.get(self.place.field.type, ("", 4))[1]
                return self.place.refuse(ctx, Refusal(EINVAL, (line,), at, ctx.where(self.place.path)))
        return None

    def _tell(self, ctx: Context, values: tuple[int, ...] | tuple[bytes]) -> Result:
        """Keep a count, show the value."""
        if self.slot is not None and values:
            last = values[-1]
            ctx.slots[self.slot] = last if isinstance(last, int) else 0
        if not self.place.wanted:
            return None
        type_ = self.place.field.type
        whole = type_ == "pci irq state" or (self.count is not None and type_ in INTEGERS)
        value = values if whole else values[0]
        refused = self.place.deliver(ctx, bool(value) if type_ == "bool" and not whole else value)
        return None if refused is None else self.place.refuse(ctx, refused)


def _values(type_: str, chunk: bytes, times: int) -> tuple[int, ...] | tuple[bytes]:
    """The elements in `chunk`: integers each for itself, bytes in one."""
    unpack = unpacker(type_, times)
    return unpack(chunk, 0) if unpack else (chunk,)


def unpacker(type_: str, times: int) -> Callable[[bytes, int], tuple[int, ...]] | None:
    """What turns bytes into `times` integers of that type, or None for types that are bytes."""
    if type_ == "pci irq state":
        return struct.Struct(f">{4 * times}I").unpack_from
    known = INTEGERS.get(type_)
    if known is None:
        return None
    order = "<" if type_ in LITTLE_ENDIAN else ">"
    return struct.Struct(f"{order}{times}{known[0]}").unpack_from


def elements(ctx: Context, count: int | tuple[int, Count] | None) -> int | None:
    """How many elements an array has whose count an earlier field may hold; None: too many to live through."""
    if not isinstance(count, tuple):
        return count
    slot, how = count
    return how.elements(ctx.slots.get(slot, 0), loading=not ctx.strict)


def _check_equal(ctx: Context, place: Place, value: int) -> str | None:
    if ctx.visitor is None:
        return None
    mask = (1 << (8 * place.field.width)) - 1
    local = ctx.visitor.local(ctx.where(place.path)) & mask
    return None if local == value & mask else f"{local:x} != {value & mask:x}"


def _check_limit(ctx: Context, place: Place, value: int) -> str | None:
    if ctx.visitor is None:
        return None
    local = ctx.visitor.local(ctx.where(place.path))
    return None if 0 <= value <= local else f"Invalid value {value} expecting positive value <= {local}"


def _check_null(_ctx: Context, _place: Place, value: int) -> str | None:
    return None if value == NULL_MARKER else "vmstate: get_nullptr expected VMS_NULLPTR_MARKER"


def _check_irq(_ctx: Context, _place: Place, value: int) -> str | None:
    return None if value in {0, 1} else f"irq state {signed(value)}: must be 0 or 1."


CHECKS: Final[Mapping[str, Callable[[Context, Place, int], str | None]]] = {
    **dict.fromkeys(EQUAL, _check_equal),
    "int32 le": _check_limit,
    "nullptr": _check_null,
    "pci irq state": _check_irq,
}
"""Types whose loader judges the value: gives the line QEMU prints (EINVAL), or None."""


class Text(Op):
    """A length and that many bytes."""

    __slots__ = ("place", "width")

    def __init__(self, place: Place, width: int) -> None:
        self.place, self.width = place, width
        self.size, self.active = None, True

    def run(self, ctx: Context) -> Result:
        reader, place = ctx.reader, self.place
        start = reader.pos
        value = reader.take(reader.u8() if self.width == 1 else reader.u32())
        failed = place.deliver(ctx, value) if place.wanted else None
        return place.refuse(ctx, failed) if failed is not None else place.latched(ctx, start)


class Opaque(Op):
    """A field whose loader only the visitor knows."""

    __slots__ = ("place",)

    def __init__(self, place: Place) -> None:
        self.place = place
        self.size, self.active = None, True

    def run(self, ctx: Context) -> Result:
        reader, place = ctx.reader, self.place
        start = reader.pos
        if ctx.visitor is None:
            reader.skip(place.field.width)
            return place.latched(ctx, start)
        failed = ctx.visitor.opaque(reader, place.schema, place.field, ctx.where(place.path))
        return place.refuse(ctx, failed) if failed is not None else place.latched(ctx, start)


class If(Op):
    """A step that an earlier field may switch off."""

    __slots__ = ("inner", "slot", "when")

    def __init__(self, when: When, slot: int, inner: Op) -> None:
        self.when, self.slot, self.inner = when, slot, inner
        self.size, self.active = None, True

    def run(self, ctx: Context) -> Result:
        return self.inner.run(ctx) if self.when.holds(ctx.slots.get(self.slot, 0)) else None


class MustExist(Op):
    """No bytes: a condition on what has been read. Its failure is told by a line of its own, and not latched here."""

    __slots__ = ("place", "slot", "when")

    def __init__(self, place: Place, when: When, slot: int) -> None:
        self.place, self.when, self.slot = place, when, slot
        self.size, self.active = 0, True

    def run(self, ctx: Context) -> Result:
        return self.fast(ctx, b"", 0, ctx.reader.offset)

    def fast(self, ctx: Context, _data: bytes, at: int, origin: int) -> Result:
        place = self.place
        if ctx.strict or self.when.holds(ctx.slots.get(self.slot, 0)):
            return None
        line = f"Input validation failed: {place.schema.name}/{place.field.plain_name}"
        return Refusal(EPERM, (line,), origin + at, ctx.where(place.path))


class Run(Op):
    """Neighbours of fixed size."""

    __slots__ = ("acting", "looks", "ops", "stretch")

    def __init__(self, ops: Sequence[Op]) -> None:
        self.ops = tuple(ops)
        placed, at = [], 0
        scans: list[Looks] = []
        for op in ops:
            assert op.size is not None
            placed.append((op, at))
            scans += [looks.moved(at) for looks in op.scans()]
            at += op.size
        self.size = at
        self.acting = tuple((op, offset) for op, offset in placed if op.active)
        self.active = bool(self.acting)
        self.looks = tuple(scans)
        # A scan right behind the last byte looks at one byte more.
        self.stretch = max([at, *(looks.stop for looks in scans)])

    def run(self, ctx: Context) -> Result:
        reader = ctx.reader
        data, pos = reader.data, reader.pos
        if reader.error or pos + self.stretch > len(data):
            return self._exactly(ctx)
        for looks in self.looks:
            if looks.find(data, pos):
                return self._exactly(ctx)
        base = reader.base
        for op, offset in self.acting:
            failed = op.fast(ctx, data, pos + offset, base)
            if failed is not None:
                return failed
        assert self.size is not None
        reader.pos = pos + self.size
        return None

    def fast(self, ctx: Context, data: bytes, at: int, origin: int) -> Result:
        for op, offset in self.acting:
            failed = op.fast(ctx, data, at + offset, origin)
            if failed is not None:
                return failed
        return None

    def _exactly(self, ctx: Context) -> Result:
        for op in self.ops:
            failed = op.run(ctx)
            if failed is not None:
                return failed
        return None


class Nested(Op):
    """A struct, or an array of structs, loaded with a version known beforehand."""

    __slots__ = ("count", "looks", "place", "program", "vmsd")

    def __init__(self, place: Place, vmsd: Vmsd, version: int, count: int | tuple[int, Count] | None) -> None:
        self.place, self.vmsd, self.count = place, vmsd, count
        self.program = vmsd.program(version)
        self.size = None
        self.looks: tuple[Looks, ...] = ()
        self.active = place.wanted or self.program.active
        times = 1 if count is None else count
        if isinstance(times, int) and self.program.size is not None:
            looks = _repeat(self.program.scans, self.program.size, times)
            if len(looks) <= _MOST_SCANS:
                self.size, self.looks = self.program.size * times, looks

    def scans(self) -> tuple[Looks, ...]:
        return self.looks

    def fast(self, ctx: Context, data: bytes, at: int, origin: int) -> Result:
        failed = self._fast(ctx, data, at, origin) if self.program.active else None
        if failed is None and self.place.wanted:
            assert self.size is not None
            failed = self.place.deliver(ctx, data[at : at + self.size])
        return None if failed is None else self.place.refuse(ctx, failed)

    def _fast(self, ctx: Context, data: bytes, at: int, origin: int) -> Result:
        program, step = self.program, self.program.size
        if self.count is None:
            return program.fast(ctx, data, at, origin)
        assert isinstance(self.count, int)
        assert step is not None
        ctx.indices.append(0)
        for i in range(self.count):
            ctx.indices[-1] = i
            failed = program.fast(ctx, data, at + i * step, origin)
            if failed is not None:
                return failed
        ctx.indices.pop()
        return None

    def run(self, ctx: Context) -> Result:
        reader, place = ctx.reader, self.place
        start = reader.pos
        if self.count is None:
            failed = self.program.run(ctx)
            if failed is None:
                failed = place.latched(ctx, start)
                if failed is not None:
                    return failed
        else:
            failed, lined = self._array(ctx, elements(ctx, self.count) or 0)
            if lined:
                return failed
        if failed is None and place.wanted:
            failed = place.deliver(ctx, reader.data[start : reader.pos])
        return None if failed is None else place.refuse(ctx, failed)

    def _array(self, ctx: Context, count: int) -> tuple[Result, bool]:
        """The first failure, and whether this level's line has been printed."""
        reader = ctx.reader
        idle = 0
        ctx.indices.append(0)
        for i in range(count):
            ctx.indices[-1] = i
            start = reader.pos
            failed = self.program.run(ctx)
            if failed is not None:
                return failed, False
            failed = self.place.latched(ctx, start)
            if failed is not None:
                return failed, True
            idle = idle + 1 if reader.pos == start else 0
            if idle > HUNG_STRUCTS:
                return Refusal(EIO, (), reader.base + start, ctx.where(self.place.path), "hung"), True
        ctx.indices.pop()
        return None, False


_MOST_SCANS: Final = 256


def _repeat(scans: Sequence[Looks], size: int, times: int) -> tuple[Looks, ...]:
    """The scans of an array of structs, given those of one; too many if there are too many."""
    if times <= 1 or size == 0:
        return tuple(scans) if times else ()
    result: list[Looks] = []
    for looks in scans:
        if looks.stop == looks.start + 1:
            result.append(looks._replace(stop=looks.start + (times - 1) * size + 1, step=size))
        else:
            result += [looks.moved(i * size) for i in range(min(times, _MOST_SCANS + 1))]
    return tuple(result)


class List(Op):
    """Elements each announced by a byte that is not 0: qtailq, qlist, gtree, and our "repeat"."""

    __slots__ = ("direct", "place", "version", "vmsd")

    def __init__(self, place: Place, vmsd: Vmsd | None, version: int) -> None:
        self.place, self.vmsd, self.version = place, vmsd, version
        self.size, self.active = None, True

    def run(self, ctx: Context) -> Result:
        reader, place = ctx.reader, self.place
        start = reader.pos
        failed = self._list(ctx, start)
        return place.refuse(ctx, failed) if failed is not None else place.latched(ctx, start)

    def _list(self, ctx: Context, start: int) -> Result:
        reader, place, kind = ctx.reader, self.place, self.place.field.type
        path = ctx.where(place.path)
        announced = reader.u32() if kind == "gtree" else 0
        count = 0
        ctx.indices.append(0)
        while reader.u8():
            ctx.indices[-1] = count
            count += 1
            if kind == "gtree" and count > announced and not ctx.strict:
                return Refusal(EINVAL, (), reader.base + start, path)
            if self.vmsd is None:
                return Refusal(EINVAL, (), reader.offset - 1, path)
            failed = self.vmsd.program(self.version).run(ctx)
            if failed is not None:
                return self._element_failed(failed)
        ctx.indices.pop()
        if kind == "gtree" and count != announced and not ctx.strict:
            line = f"{place.field.plain_name} inconsistent stream when loading the gtree"
            return Refusal(EINVAL, (line,), reader.base + start, path)
        return None

    def _element_failed(self, failed: Refusal) -> Refusal:
        field = self.place.field
        if self.vmsd is None or field.type not in {"qlist", "gtree"}:
            return failed
        colon = " :" if field.type == "gtree" else ":"
        return failed.then(f"{field.plain_name}{colon} failed to load {self.vmsd.schema.name} ({-failed.errno})")


class Scan(Op):
    """A subsection scan in the middle of an old-style payload."""

    __slots__ = ("vmsd",)

    def __init__(self, vmsd: Vmsd) -> None:
        self.vmsd = vmsd
        self.size, self.active = None, True

    def run(self, ctx: Context) -> Result:
        return self.vmsd.scan(ctx)


class Program:
    """A schema compiled for one version. `size` and `scans` as of an `Op`, the scan after the last field included."""

    __slots__ = ("active", "ops", "post", "pre", "scans", "size", "version", "vmsd")

    def __init__(self, vmsd: Vmsd, version: int, ops: Sequence[Op], *, pre: bool, post: bool) -> None:
        self.vmsd, self.version, self.pre, self.post = vmsd, version, pre, post
        self.ops = _joined(ops)
        self.size: int | None = None
        self.scans: tuple[Looks, ...] = ()
        self.active = pre or post or any(op.active for op in ops)
        only = self.ops[0] if len(self.ops) == 1 else None
        if not vmsd.schema.subsections and (not self.ops or isinstance(only, Run)):
            size = only.size if only is not None and only.size is not None else 0
            scans = list(only.looks) if isinstance(only, Run) else []
            if not vmsd.schema.raw:
                scans.append(Looks(size, size + 1, 1, vmsd.schema.name.encode()))
            self.size, self.scans = size, tuple(scans)

    def run(self, ctx: Context) -> Result:
        """The pre-load, all fields, the subsections, the post-load."""
        if self.pre and ctx.visitor is not None:
            failed = ctx.visitor.pre_load(self.vmsd.schema, ctx.where(self.vmsd.path), self.version)
            if failed is not None:
                return failed
        for op in self.ops:
            failed = op.run(ctx)
            if failed is not None:
                return failed
        if not self.vmsd.schema.raw:
            failed = self.vmsd.scan(ctx)
            if failed is not None:
                ctx.reader.latch(failed.errno)
                return failed
        return self._post(ctx)

    def fast(self, ctx: Context, data: bytes, at: int, origin: int) -> Result:
        """The same over bytes that are there and followed by no subsection."""
        if self.pre and ctx.visitor is not None:
            failed = ctx.visitor.pre_load(self.vmsd.schema, ctx.where(self.vmsd.path), self.version)
            if failed is not None:
                return failed
        for op in self.ops:
            failed = op.fast(ctx, data, at, origin)
            if failed is not None:
                return failed
        return self._post(ctx)

    def _post(self, ctx: Context) -> Result:
        if not self.post or ctx.visitor is None:
            return None
        return ctx.visitor.post_load(self.vmsd.schema, ctx.where(self.vmsd.path), self.version)


def _joined(ops: Sequence[Op]) -> tuple[Op, ...]:
    """Neighbours of fixed size made into runs."""
    result: list[Op] = []
    fixed: list[Op] = []
    for op in ops:
        if op.size is not None:
            fixed.append(op)
            continue
        if fixed:
            result.append(Run(fixed))
            fixed = []
        result.append(op)
    if fixed:
        result.append(Run(fixed))
    return tuple(result)


class Vmsd:
    """A schema at its path: its programs by version, its subsections. Compiled when first needed."""

    __slots__ = ("compile", "path", "programs", "schema", "subsections")

    def __init__(self, schema: Schema, path: str, compile_: Callable[[Vmsd, int], Program]) -> None:
        self.schema, self.path, self.compile = schema, path, compile_
        self.programs: dict[int, Program] = {}
        self.subsections: dict[bytes, Vmsd] = {}

    def program(self, version: int) -> Program:
        """The schema compiled for `version`."""
        program = self.programs.get(version)
        if program is None:
            program = self.programs[version] = self.compile(self, version)
        return program

    def load(self, ctx: Context, version: int) -> Result:
        """What loading a vmsd with a version from outside does: the version is looked at first."""
        schema = self.schema
        if not (schema.raw or ctx.strict):
            line = None
            if version > schema.version:
                line = f"{schema.name}: incoming version_id {version} is too new for local version_id {schema.version}"
            elif version < schema.minimum:
                line = (
                    f"{schema.name}: incoming version_id {version} is too old for local minimum version_id  "
                    f"{schema.minimum}"
                )
            if line is not None:
                return Refusal(EINVAL, (line,), ctx.reader.offset, ctx.where(self.path))
        return self.program(min(version, schema.version)).run(ctx)

    def scan(self, ctx: Context) -> Result:
        """Load subsections for as long as the bytes spell names that are this vmsd's business."""
        reader = ctx.reader
        while reader.peek_u8(0) == SUBSECTION:
            length = reader.peek_u8(1)
            own = self.schema.name.encode()
            if length < len(own) + 1:
                return None
            spelt = reader.peek(2, length)
            if len(spelt) != length:
                return None
            name, _, _ = spelt.partition(b"\0")  # C strings are compared
            if not name.startswith(own):
                return None
            sub = self.subsections.get(name)
            if sub is None:
                return Refusal(ENOENT, (), reader.offset, ctx.where(self.path))
            reader.skip(2 + length)
            failed = sub.load(ctx, reader.u32() & 0xFF)
            if failed is not None:
                return failed
        return None
