"""Steps over whole schemas inside a schema: structs, arrays of them, lists, a scan for subsections."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from vmformat._steps.base import EINVAL, EIO, HUNG_STEPS, HUNG_STRUCTS, Op, Refusal
from vmformat._steps.leaf import elements
from vmformat.schema import ANNOUNCED, INTEGERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmformat._steps.base import Context, Looks, Place, Result
    from vmformat._steps.program import Vmsd
    from vmformat.reader import Reader
    from vmformat.schema import Count


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
            size = self.program.size
            if self.vmsd.schema.block and size is not None and reader.remaining < size and not ctx.strict:
                failed = self.fast(ctx, reader.take(size).ljust(size, b"\0"), 0, reader.base + start)
                return failed if failed is not None else place.latched(ctx, start)
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
            if idle and (self.vmsd.schema.block or self._idles(ctx, count - i)):
                break
            if idle > HUNG_STRUCTS:
                return Refusal(EIO, (), reader.base + start, ctx.where(self.place.path), "hung"), True
        ctx.indices.pop()
        return None, False

    def _idles(self, ctx: Context, more: int) -> bool:
        """Whether so many structs more, read past the end, change nothing and are read before anyone notices."""
        program = self.program
        if program.active or program.size is None or not self.vmsd.schema.raw or not ctx.reader.error:
            return False
        return program.size * more <= HUNG_STEPS


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
    """Elements each announced by a number above 0: qtailq, qlist, gtree, and our "repeat" ones.

    A list that is wanted is shown these numbers, each before its element.
    """

    __slots__ = ("number", "place", "program", "slot", "vmsd")

    def __init__(self, place: Place, vmsd: Vmsd | None, version: int, slot: int | None) -> None:
        self.place, self.vmsd, self.slot = place, vmsd, slot
        self.program = None if vmsd is None else vmsd.program(version)
        self.number = struct.Struct(f">{INTEGERS[ANNOUNCED[place.field.type]][0]}")
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
        wrong = f"{place.field.plain_name} inconsistent stream when loading the gtree"
        ctx.indices.append(0)
        while (number := self._announced(reader)) > 0:
            ctx.indices[-1] = count
            count += 1
            if self.slot is not None:
                ctx.slots[self.slot] = number
            if place.wanted and (refused := place.deliver(ctx, number)) is not None:
                return refused
            if kind == "gtree" and count > announced and not ctx.strict:
                return Refusal(EINVAL, (wrong,), reader.base + start, path)
            if self.program is None:
                return Refusal(EINVAL, (), reader.offset - 1, path)
            failed = self.program.run(ctx)
            if failed is not None:
                return self._element_failed(failed)
        ctx.indices.pop()
        if kind == "gtree" and count != announced and not ctx.strict:
            return Refusal(EINVAL, (wrong,), reader.base + start, path)
        return None

    def _announced(self, reader: Reader) -> int:
        number: int = self.number.unpack(reader.digits(self.number.size).ljust(self.number.size, b"\0"))[0]
        return number

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
