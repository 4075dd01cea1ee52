"""The reader's and writer's way over a payload: bytes to a tree of nodes that know where they stand, values to bytes.

The law: `encode(schema, decode(schema, payload).values()) == payload`. Names and paths are those of `schema`; in
addition, what is on the wire but no field of its own is a leaf named with an `@`:

- `list[2]@more`: the number before an element (1 unless someone changed it), `list@end` the 0 after the last. One below
  0, which ends a "repeat int8" too, stands as a number behind the elements when it comes to values;
- `tree@count`: a gtree's number of elements. One that is not true stands before the elements when it comes to values;
- `virtio/started@version`: a subsection's version. A subsection that comes again is called `virtio/started#1`, `#2`.

A tree costs what is looked at: decoding only measures (see `_layout`). `values` and `encode` go over runs of fields and
arrays of structs in bulk; nodes are made when somebody asks for children.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmformat._layout.compile import layout
from vmformat._layout.layout import Record as Fields
from vmformat._layout.lists import Elements, Structs
from vmformat._layout.scope import Cut, Misfit, Source, joined
from vmformat.errors import Fault, StreamError
from vmformat.node import Node, Values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmformat.schema import Schema

__all__ = ["Elements", "Fields", "Structs", "blank", "decode", "decode_partial", "decode_tolerant", "encode", "end_of"]


def decode(schema: Schema, payload: bytes, offset: int = 0, version: int | None = None) -> Node:
    """The tree of a payload of `schema` (in `version`, default the schema's own); offsets count from `offset`.

    Raises StreamError unless the payload ends exactly where the schema does.
    """
    record, fault = _read(schema, payload, offset, version)
    if fault is not None or record is None:
        assert fault is not None
        raise fault.error
    return Node(schema.name, "record", offset, len(payload), None, record.inner)


def decode_partial(
    schema: Schema, payload: bytes, offset: int = 0, version: int | None = None
) -> tuple[Node, Fault | None]:
    """As `decode`, of a payload that may be anything: never raises, and tells the field that could not be read.

    If there is one, the tree holds what was read before it, down to the field (structs and elements are those parts of
    them that could be read); a leaf `@rest` behind it, the last of the root's children, is all from that field on.
    """
    record, fault = _read(schema, payload, offset, version)
    return _partial(schema, payload, offset, record, fault), fault


def decode_tolerant(
    schema: Schema, payload: bytes, offset: int = 0, version: int | None = None
) -> tuple[Node, tuple[Fault, ...]]:
    """As `decode_partial`; the faults are, besides, values that QEMU would refuse, in wire order.

    These are: a condition that must hold and does not; an interrupt level that is neither 0 nor 1; a negative number of
    type "int32 le"; a null pointer without its mark; a subsection's version that its vmsd does not take; a gtree's
    number of elements that is not theirs. A field that could not be read comes last. There are
    hardly ever more than a thousand: who sends so many lies need not be told of all.
    """
    record, fault = _read(schema, payload, offset, version)
    faults: list[Fault] = []
    if record is not None:
        record.check("", faults)
        faults.sort(key=lambda found: found.offset)
    if fault is not None:
        faults.append(fault)
    return _partial(schema, payload, offset, record, fault), tuple(faults)


def _read(schema: Schema, payload: bytes, offset: int, version: int | None) -> tuple[Fields | None, Fault | None]:
    """What could be read, and why no more."""
    try:
        made = layout(schema, version)
        source = Source(payload, len(payload), offset)
        record = made.read(source, 0, None)
        if record.end == len(payload):
            return record, None
        unknown = made.unknown(source, record.end)
        if unknown is not None:
            return record, Fault(offset + record.end, "", "a known subsection", unknown)
        more = f"{len(payload) - record.end} bytes more"
        return record, Fault(offset + record.end, schema.name, "the end of the payload", more)
    except Cut as cut:
        return cut.part if isinstance(cut.part, Fields) else None, cut.fault(offset)
    except StreamError as error:
        return None, error.fault
    except RecursionError:
        return None, Fault(offset, schema.name, "less nesting", "too deep a schema")


def _partial(schema: Schema, payload: bytes, offset: int, record: Fields | None, fault: Fault | None) -> Node:
    inner: tuple[Node, ...] | Fields = () if record is None else record.inner
    if fault is not None:
        at = offset if record is None else fault.offset
        rest = payload[at - offset :]
        inner = () if record is None else record.expand(offset)
        if rest:
            inner = (*inner, Node("@rest", "buffer", at, len(rest), rest))
    return Node(schema.name, "record", offset, len(payload), None, inner)


def end_of(schema: Schema, data: bytes, start: int, version: int | None = None) -> int:
    """The offset behind the payload that begins at `start` of `data`. Raises StreamError if the data end first."""
    try:
        return layout(schema, version).read(Source(data, len(data), 0), start, None).end
    except Cut as cut:
        raise cut.fault(0).error from None
    except RecursionError:
        raise StreamError(start, schema.name, "less nesting", "too deep a schema") from None


def encode(schema: Schema, values: Values | Mapping[str, Any], version: int | None = None) -> bytes:
    """The payload of `schema` that holds `values` (as `Node.values` gives them).

    Every field that the version and the other values call for must be there, and nothing else. Raises StreamError
    naming the field that is missing or does not fit (its offset is how many bytes came before).
    """
    out: list[bytes] = []
    try:
        layout(schema, version).write(values, None, out)
    except Misfit as misfit:
        raise StreamError(sum(map(len, out)), joined(misfit.names), "a value that fits", misfit.found) from None
    except RecursionError:
        raise StreamError(0, schema.name, "less nesting", "too deep a schema") from None
    return b"".join(out)


def blank(schema: Schema, version: int | None = None) -> Values:
    """Values of `schema` that are all zero: no list element, no subsection. A start for `encode`.

    Raises StreamError if these would be more than anyone can want.
    """
    return layout(schema, version).blank(None)
