"""A schema compiled for one version: runs of steps, and the subsections behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmformat._steps.base import EINVAL, ENOENT, SUBSECTION, Looks, Op, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmformat._steps.base import Context, Result
    from vmformat.schema import Schema


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
        reader.furthest = max(reader.furthest, pos + self.stretch)
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
