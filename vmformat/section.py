"""Sections: one device's (or the RAM's) piece of a stream."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from dataclasses import field as dataclass_field
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from vmformat import framing
from vmformat.errors import StreamError
from vmformat.framing import NAMED, Kind
from vmformat.iterable.payloads import ITERABLE, decode_records, records_fault
from vmformat.leaves import Leaf, leaves
from vmformat.node import Node, Values
from vmformat.reading.guess import refine
from vmformat.source import View
from vmformat.tree import decode_partial, decode_tolerant, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    from vmformat.errors import Fault
    from vmformat.ram.context import RamContext
    from vmformat.schema import Schema


class _Payload:
    """The payload field: takes bytes or a view into a larger whole, gives bytes.

    RAM is most of a large stream. `read` gives it as a view, and only who asks for the payload pays for a copy.
    """

    def __get__(self, section: Section | None, _owner: type[Section] | None = None) -> bytes:
        if section is None:
            raise AttributeError("payload")  # so dataclass sees no default
        return bytes(section.buffer)

    def __set__(self, section: Section, payload: bytes | memoryview | View) -> None:
        object.__setattr__(section, "_payload", payload)


_FEW_LEAVES: Final = 256


@dataclass(frozen=True)
class Section:
    """One START, PART, END or FULL record.

    - `section_id`: the source's number for it (32 bits). `name`, `instance` and `version` of a PART or END are those of
      the START or FULL with the same id before it ("", 0 and 0 if there was none) and are not written.
    - `name`: Latin-1, at most 255 bytes; `<device path>/<vmsd>` or a bare vmsd name.
    - `footer`: the section id in the footer, None for no footer.
    - `schema`: what the payload is, None if nobody knows. `layout` may know more.
    - `offset`: where the type byte stood when it was read; not compared.
    - `context`: of RAM, how it is to be read, as far as the stream before it told.
    """

    kind: Kind
    section_id: int
    name: str
    instance: int
    version: int
    payload: _Payload = _Payload()
    schema: Schema | None = dataclass_field(default=None, compare=False, repr=False)
    footer: int | None = None
    offset: int = dataclass_field(default=0, compare=False)
    context: RamContext | None = dataclass_field(default=None, compare=False, repr=False)

    @property
    def buffer(self) -> bytes | memoryview | View:
        """The payload without a copy."""
        raw: bytes | memoryview | View = object.__getattribute__(self, "_payload")
        return raw

    def __repr__(self) -> str:
        return f"<{self.kind.name} {self.name}/{self.instance} id {self.section_id}: {len(self.buffer)} bytes>"

    @classmethod
    def build(
        cls,
        schema: Schema,
        values: Values | Mapping[str, Any],
        *,
        name: str | None = None,
        section_id: int = 0,
        instance: int = 0,
        version: int | None = None,
        kind: Kind = Kind.FULL,
        footer: bool = True,
    ) -> Self:
        """A section made of values. Name and version default to the schema's."""
        version = schema.version if version is None else version
        payload = encode(schema, values, version)
        id_ = section_id if footer else None
        return cls(kind, section_id, schema.name if name is None else name, instance, version, payload, schema, id_)

    @property
    def is_ram(self) -> bool:
        """Whether the payload is RAM records."""
        return self.name == "ram"

    @property
    def payload_offset(self) -> int:
        """Where the payload stood in the stream that was read."""
        return self.offset + len(self.head())

    @property
    def layout(self) -> Schema | None:
        """The schema with opaque virtio state taken apart, where the payload shows how."""
        return None if self.schema is None else self._refined  # what is kept takes memory: nothing for nothing

    @cached_property
    def _refined(self) -> Schema:
        assert self.schema is not None
        return refine(self.schema, self.payload)

    @cached_property
    def tree(self) -> Node:
        """The payload's fields. Without a schema a single leaf named `payload`; behind a fault a leaf `@rest`.

        Kept with the section: for a walk over a whole stream use `decoded`.
        """
        return self.decoded()

    def decoded(self) -> Node:
        """As `tree`, made anew. Of RAM and the like nothing is read before someone looks at the children."""
        if self.name in ITERABLE and self.schema is None:
            return decode_records(self.name, self.buffer, self.payload_offset, self.context)
        return self.read_payload()[0]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong inside the payload, as far as its schema knows (see `tree.decode_tolerant`)."""
        if self.layout is not None and not (self.name in ITERABLE and self.schema is None):
            return decode_tolerant(self.layout, self.payload, self.payload_offset, self.version)[1]
        fault = self.read_payload()[1]
        return () if fault is None else (fault,)

    def read_payload(self) -> tuple[Node, Fault | None]:
        """The tree, made anew, and where it ends too early.

        What nobody could name behind a fault is a leaf `@rest`; a payload that nobody knows anything of is one leaf,
        `payload`.
        """
        start, size = self.payload_offset, len(self.buffer)
        if self.name in ITERABLE and self.schema is None:
            tree = decode_records(self.name, self.buffer, start, self.context)
            return tree, records_fault(self.name, self.buffer, start, self.context)
        if self.layout is not None:
            tree, fault = decode_partial(self.layout, self.payload, start, self.version)
            return replace(tree, name=self.name), fault
        leaf = Node("payload", "buffer", start, size, self.payload)
        return Node(self.name, "record", start, size, None, (leaf,) if size else ()), None

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """The payload's leaves; offsets count from the payload's start. One leaf if no schema fits.

        A few are kept with the section.
        """
        kept: tuple[Leaf, ...] | None = self.__dict__.get("_leaves")
        if kept is None:
            kept = self._find_leaves()
            if len(kept) <= _FEW_LEAVES:
                self.__dict__["_leaves"] = kept
        return kept

    def _find_leaves(self) -> tuple[Leaf, ...]:
        if self.layout is not None:
            try:
                return leaves(self.layout, self.payload, self.version)
            except StreamError:
                pass
        return (Leaf("payload", 0, len(self.buffer), "buffer"),) if len(self.buffer) else ()

    def replace_bytes(self, offset: int, data: bytes) -> Self:
        """The same with `data` written over the payload at `offset`; the length stays."""
        payload = self.payload
        if offset < 0 or offset + len(data) > len(payload):
            raise StreamError(offset, self.name, f"a place within {len(payload)} bytes", f"{len(data)} bytes")
        return self.replace_payload(payload[:offset] + data + payload[offset + len(data) :])

    def replace_payload(self, payload: bytes) -> Self:
        """The same with another payload."""
        # What is kept with this section stays behind; `dataclasses.replace` does the same in eight times the time.
        new = object.__new__(type(self))
        inside = dict(zip(_BESIDE_THE_PAYLOAD, _beside_the_payload(self.__dict__), strict=False))
        inside["_payload"] = payload
        object.__setattr__(new, "__dict__", inside)
        return new

    def head(self) -> bytes:
        """The bytes before the payload, type byte included."""
        if self.kind in NAMED:
            try:
                name = self.name.encode("latin-1")
            except UnicodeEncodeError:
                raise StreamError(self.offset, "name", "Latin-1", self.name) from None
            body = framing.build(
                framing.SECTION,
                self.name,
                section_id=self.section_id,
                name=name,
                instance=self.instance,
                version=self.version,
            )
        else:
            body = framing.build(framing.PART, self.name, section_id=self.section_id)
        return bytes([self.kind]) + body

    def foot(self) -> bytes:
        """The footer, empty if there is none."""
        if self.footer is None:
            return b""
        return framing.build(framing.FOOTER, self.name, mark=Kind.FOOTER, section_id=self.footer)

    def chunks(self) -> Iterator[bytes | memoryview]:
        """The payload in pieces, without a copy where that can be."""
        buffer = self.buffer
        if isinstance(buffer, View):
            yield from buffer.chunks()
        else:
            yield buffer

    def to_bytes(self) -> bytes:
        """The record."""
        return b"".join((self.head(), *self.chunks(), self.foot()))


_BESIDE_THE_PAYLOAD: Final = tuple(one.name for one in fields(Section) if one.name != "payload")
_beside_the_payload: Final = itemgetter(*_BESIDE_THE_PAYLOAD)
