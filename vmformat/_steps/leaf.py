"""Steps over fields without a schema of their own, and over conditions."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from vmformat._steps.base import EINVAL, EIO, EPERM, HUNG_STEPS, NULL_MARKER, Op, Refusal, signed
from vmformat.schema import EQUAL, INTEGERS, LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vmformat._steps.base import Context, Place, Result
    from vmformat.schema import Count, When


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
