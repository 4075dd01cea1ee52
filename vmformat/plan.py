"""The loader's walk over a device payload: a schema, compiled once, then run over bytes.

`Plan.load` does what QEMU's vmstate loader does (facts: stream.md 2.6, 2.7, 3): the same bytes are consumed, the same
checks are made in the same order, the same lines are printed, whatever the bytes. What a device does with its fields
is not known here; a `Visitor` is shown those it asked for when the plan was compiled, at the moment QEMU has read them.

What a plan can be asked to show (`wanted`), each a string:

- a path, `parent_obj.config[1]`; in arrays of structs `vqs[3].num`, or `vqs[].num` for every element;
- `type:pci config`: every field of that type; opaque types (`type:virtio`) go to `Visitor.opaque`, unwanted ones are
  skipped by their `size`;
- `PCIDevice:irq_state`: the field of that name of the vmsd of that name, wherever it stands;
- `pre:PCIDevice`, `post:PCIDevice`: the beginning and end of every vmsd of that name.

A wanted struct, or array of structs, is shown as one piece of bytes after its leafs.

Model: an integer or fixed buffer that the end cuts off reaches the visitor filled up with zeros, before EIO is told. In
QEMU the rest of a buffer keeps its old bytes; the load fails either way, and only a `loadvm` that failed could show it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from vmformat._steps import (
    Context,
    If,
    Leaf,
    List,
    MustExist,
    Nested,
    Op,
    Opaque,
    Place,
    Program,
    Refusal,
    Scan,
    Text,
    Visitor,
    Vmsd,
)
from vmformat.errors import StreamError
from vmformat.reader import EIO, Reader
from vmformat.schema import BYTES, INTEGERS, LISTS, NESTED, Count, Field, Schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["NOTHING", "Plan", "Refusal", "SilentVisitor", "Visitor", "compile_plan", "join", "measure"]

NOTHING: Final[frozenset[str]] = frozenset()
"""Nothing is wanted."""


class SilentVisitor:
    """A visitor that accepts everything and whose local values are all 0: a base for others."""

    def field(self, _schema: Schema, _field: Field, _path: str, _value: object) -> Refusal | None:
        """Nothing happens."""
        return None

    def pre_load(self, _schema: Schema, _path: str, _version: int) -> Refusal | None:
        """Nothing happens."""
        return None

    def post_load(self, _schema: Schema, _path: str, _version: int) -> Refusal | None:
        """Nothing happens."""
        return None

    def local(self, _path: str) -> int:
        """Zero."""
        return 0

    def opaque(self, reader: Reader, _schema: Schema, field: Field, _path: str) -> Refusal | None:
        """The field is skipped by its size."""
        reader.skip(field.width)
        return None


def join(prefix: str, name: str) -> str:
    """The path of `name` inside `prefix`."""
    return f"{prefix}.{name}" if prefix else name


class Plan:
    """A schema ready to be loaded, and what its visitors are shown.

    Compiling costs milliseconds for a large device, a load microseconds: keep the plan.
    """

    __slots__ = ("_root", "free", "schema", "wanted")

    def __init__(self, schema: Schema, wanted: frozenset[str] = NOTHING) -> None:
        self.schema = schema
        self.wanted = wanted
        # Names are resolved in a first pass, so that the second keeps no value that nobody counts by: a record of a
        # thousand that has a `num` as well would cost more than everything else.
        scout = _Compiler(NOTHING, set(_references(schema)), None)
        scout.compile(schema)
        compiler = _Compiler(wanted, scout.needed, scout.used)
        self._root = compiler.compile(schema)
        # Names that `Count` and `When` use and no earlier field has: `load` needs their values as `outer`.
        self.free: Mapping[str, int] = dict(compiler.free)

    def load(
        self, reader: Reader, version: int, visitor: Visitor, outer: Mapping[str, int] | None = None
    ) -> Refusal | None:
        """Load the payload at `reader`, which a section header says is of `version`.

        None: QEMU's loader would go on (the latch may be set all the same, by a peek). `outer` gives the values of
        `free` names. Whatever a visitor refuses comes back with QEMU's "Failed to load" lines behind it.
        """
        return self._root.load(self._context(reader, visitor, outer), version)

    def _context(
        self, reader: Reader, visitor: Visitor | None, outer: Mapping[str, int] | None, *, strict: bool = False
    ) -> Context:
        ctx = Context(reader, visitor, strict=strict)
        for name, slot in self.free.items():
            if outer is None or name not in outer:
                raise StreamError(reader.offset, name, f"a value for it, needed by {self.schema.name}", "none")
            ctx.slots[slot] = outer[name]
        return ctx

    def measure(self, data: bytes, offset: int, version: int | None = None) -> int:
        """As the function `measure`."""
        reader = _QuietReader(data)
        reader.pos = offset
        ctx = self._context(reader, None, None, strict=True)
        failed = self._root.load(ctx, self.schema.version if version is None else version)
        if failed is None and not reader.error:
            return reader.pos
        if reader.error == EIO or failed is None:
            at, where = (failed.offset, failed.field) if failed is not None else (offset, "")
            raise StreamError(at, where, "more bytes", "the end of the data")
        raise StreamError(failed.offset, failed.field, "what the schema knows", _shown(data, failed.offset))


def _shown(data: bytes, offset: int) -> str:
    return f"{len(data) - offset} bytes beginning {data[offset : offset + 24]!r}"


class _QuietReader(Reader):
    """A reader whose peeks do not latch: a payload may well be the last thing in the data."""

    __slots__ = ()

    def peek(self, offset: int, n: int) -> bytes:
        start = self.pos + offset
        return self.data[start : start + n]

    def peek_u8(self, offset: int) -> int:
        at = self.pos + offset
        return self.data[at] if at < len(self.data) else 0


class _Scope:
    """Names seen so far in one schema; the schemas around it."""

    __slots__ = ("names", "outer")

    def __init__(self, outer: _Scope | None) -> None:
        self.outer = outer
        self.names: dict[str, int | _Scope] = {}

    def find(self, name: str) -> int | None:
        """The slot of the nearest field of that name."""
        scope: _Scope | None = self
        while scope is not None:
            slot = scope.inside(name)
            if slot is not None:
                return slot
            scope = scope.outer
        return None

    def inside(self, name: str) -> int | None:
        """The slot of that (dotted) name in this schema."""
        found = self.names.get(name)
        if isinstance(found, int):
            return found
        at = name.find(".")
        while at >= 0:
            inner = self.names.get(name[:at])
            if isinstance(inner, _Scope) and (slot := inner.inside(name[at + 1 :])) is not None:
                return slot
            at = name.find(".", at + 1)
        return None


class _Compiler:
    """Makes steps from fields. Slots are the places where values of earlier fields are kept during a load."""

    def __init__(self, wanted: frozenset[str], needed: set[str], places: set[tuple[str, str]] | None) -> None:
        self.wanted = wanted
        self.free: dict[str, int] = {}
        self.needed = needed  # names that someone counts by
        self.places = places  # and where the fields stand that are meant; None: not known yet
        self.slots: list[tuple[str, str]] = []  # where the field of each slot stands
        self.used: set[tuple[str, str]] = set()

    def compile(self, schema: Schema) -> Vmsd:
        root, _ = self.vmsd(schema, "", None)
        root.program(schema.version)
        return root

    def vmsd(self, schema: Schema, path: str, scope: _Scope | None) -> tuple[Vmsd, _Scope]:
        own = _Scope(scope)
        vmsd = Vmsd(schema, path, lambda vmsd, version: self.program(vmsd, version, own))
        # A subsection's names resolve in its owner, whose scope is complete when subsections come.
        for sub in schema.subsections:
            vmsd.subsections.setdefault(sub.name.encode(), self.vmsd(sub, join(path, sub.name), own)[0])
        return vmsd, own

    def program(self, vmsd: Vmsd, version: int, scope: _Scope) -> Program:
        ops = []
        for field in vmsd.schema.fields:
            if not field.exists(version):
                continue
            op = self.step(vmsd, field, scope)
            if field.when is not None and field.type != "must exist":
                op = If(field.when, self.resolve(field.when.field, scope), op)
            ops.append(op)
        for sub in vmsd.subsections.values():
            sub.program(sub.schema.version)
        return Program(
            vmsd,
            version,
            ops,
            pre=f"pre:{vmsd.schema.name}" in self.wanted,
            post=f"post:{vmsd.schema.name}" in self.wanted,
        )

    def step(self, vmsd: Vmsd, field: Field, scope: _Scope) -> Op:
        if field.type == "subsections":
            return Scan(vmsd)
        place = self.place(vmsd, field)
        if field.type == "must exist" and field.when is not None:
            return MustExist(place, field.when, self.resolve(field.when.field, scope))
        how = field.count
        count = (self.resolve(how.field, scope), how) if isinstance(how, Count) else how
        if field.type in NESTED:
            return self.nested(place, count, scope)
        if field.type in {"string", "vbuffer"}:
            return Text(place, 1 if field.type == "string" else 4)
        slot = self.slot(vmsd.path, field.name, scope) if field.type in INTEGERS else None
        if place.wanted and field.type not in INTEGERS and field.type not in BYTES:
            return Opaque(place)
        return Leaf(place, count, slot)

    def nested(self, place: Place, count: int | tuple[int, Count] | None, scope: _Scope) -> Op:
        field = place.field
        listed = field.type in LISTS
        path = place.path if count is None and not listed else f"{place.path}[]"
        if field.struct is None:
            if listed:
                return List(place, None, 0, None)
            raise StreamError(0, place.path, "a struct", "none")
        inner, own = self.vmsd(field.struct, path, scope)
        scope.names[field.name] = own
        number = self.slot(f"{path}@more", "@more", own) if listed else None
        version = field.struct.version
        if field.type in {"tmp", "qtailq", "qlist", "gtree"}:
            version = field.since
        elif field.type == "vstruct" and field.version is not None:
            version = field.version
        return List(place, inner, version, number) if listed else Nested(place, inner, version, count)

    def place(self, vmsd: Vmsd, field: Field) -> Place:
        path = join(vmsd.path, field.name)
        wanted = self.wanted
        if path in wanted or f"type:{field.type}" in wanted or f"{vmsd.schema.name}:{field.name}" in wanted:
            return Place(vmsd.schema, field, path, wanted=True, pattern=None)
        if "[]" in path:
            shape = re.compile(re.escape(path).replace(re.escape("[]"), r"\[\d+\]"))
            pattern = frozenset(want for want in wanted if shape.fullmatch(want))
            if pattern:
                return Place(vmsd.schema, field, path, wanted=True, pattern=pattern)
        return Place(vmsd.schema, field, path, wanted=False, pattern=None)

    def slot(self, path: str, name: str, scope: _Scope) -> int | None:
        known = scope.names.get(name)
        if isinstance(known, int):  # declared twice, or compiled before for another version
            return known
        if name not in self.needed or (self.places is not None and (path, name) not in self.places):
            return None
        scope.names[name] = self.new_slot(path, name)
        return len(self.slots)

    def new_slot(self, path: str, name: str) -> int:
        self.slots.append((path, name))
        return len(self.slots)

    def resolve(self, name: str, scope: _Scope) -> int:
        slot = scope.find(name) or self.free.get(name)
        if slot is None:
            slot = self.free[name] = self.new_slot("", f" {name}")
        self.used.add(self.slots[slot - 1])
        return slot


def _references(schema: Schema) -> Iterator[str]:
    """Every name that a field of `schema` counts by or depends on, and what such a name may mean inside a struct."""
    for field in schema.fields:
        for reference in (field.count, field.when):
            if reference is not None and not isinstance(reference, int):
                name = reference.field
                yield name
                while "." in name:
                    _, _, name = name.partition(".")
                    yield name
        if field.struct is not None:
            yield from _references(field.struct)
    for sub in schema.subsections:
        yield from _references(sub)


@lru_cache(maxsize=1024)
def compile_plan(schema: Schema, wanted: frozenset[str] = NOTHING) -> Plan:
    """The plan of a schema, compiled once. Finding it again costs a hash of the whole schema: hold on to it."""
    return Plan(schema, wanted)


class _Identity:
    """A schema compared by identity: hashing a large one by value takes longer than measuring a payload."""

    __slots__ = ("schema",)

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.schema is other.schema


@lru_cache(maxsize=1024)
def _measuring(identity: _Identity) -> Plan:
    return Plan(identity.schema)


def measure(schema: Schema, data: bytes, offset: int, version: int | None = None) -> int:
    """The offset right behind the payload of `schema` that begins at `offset` of `data`.

    No value is judged; `version` (default: the schema's) decides which fields there are. Raises StreamError if the data
    end first, or a subsection or list element is unknown.
    """
    return _measuring(_Identity(schema)).measure(data, offset, version)
