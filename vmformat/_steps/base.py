"""What every step needs: the values that go in and out of a load, the step's interface, a field's place.

A `Refusal` is how a load ends, a `Visitor` who looks at it, a `Context` the load under way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from vmformat.reader import Reader
    from vmformat.schema import Field, Schema

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
