"""The reader's and writer's way over a payload: a grammar made from a schema, trees of nodes, values to bytes.

Each kind of field is a construct; together they parse bytes into a `Node` tree that knows where everything stands, and
build bytes from plain values. The law: `encode(schema, decode(schema, payload).values()) == payload`. Names and paths
are those of `schema`; in addition, what is on the wire but no field of its own is a leaf named with an `@`:

- `list[2]@more`: the number before an element (1 unless someone changed it), `list@end` the 0 after the last. One below
  0, which ends a "repeat int8" too, stands as a number behind the elements when it comes to values;
- `tree@count`: a gtree's number of elements;
- `virtio/started@version`: a subsection's version. A subsection that comes again is called `virtio/started#1`, `#2`.

Arrays of structs of fixed size (1024 queues) stay bytes until somebody looks inside: what a tree costs in time and
memory must not depend on how much of it is never looked at.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import construct

from vmformat._grammar.leaf import Cut
from vmformat._grammar.nested import Structs, grammar
from vmformat.errors import Fault, StreamError
from vmformat.node import Node, Values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmformat.schema import Schema

__all__ = ["Structs", "blank", "decode", "decode_partial", "encode", "end_of", "grammar"]


def decode(schema: Schema, payload: bytes, offset: int = 0, version: int | None = None) -> Node:
    """The tree of a payload of `schema` (in `version`, default the schema's own); offsets count from `offset`.

    Raises StreamError unless the payload ends exactly where the schema does.
    """
    node, fault = decode_partial(schema, payload, offset, version)
    if fault is not None:
        raise fault.error
    return node


def decode_partial(
    schema: Schema, payload: bytes, offset: int = 0, version: int | None = None
) -> tuple[Node, Fault | None]:
    """As `decode`, of a payload that may be anything: never raises, and tells the field that could not be read.

    If there is one, the tree holds what was read before it, down to the field (structs and elements are those parts of
    them that could be read); a leaf `@rest` behind it, the last of the root's children, is all from that field on.
    """
    stream = io.BytesIO(payload)
    fault: Fault | None = None
    inner: tuple[Node, ...] = ()
    try:
        inner = grammar(schema, version).parse_stream(stream, base=offset)
    except Cut as stopped:
        fault = stopped.fault
        inner = stopped.inner if isinstance(stopped.inner, tuple) else ()
    except RecursionError:
        fault = Fault(offset, schema.name, "less nesting", "too deep a schema")
    except StreamError as error:
        fault = error.fault
    if fault is None and stream.tell() != len(payload):
        at = offset + stream.tell()
        fault = Fault(at, schema.name, "the end of the payload", f"{len(payload) - stream.tell()} bytes more")
    if fault is not None and fault.offset < offset + len(payload):
        rest = payload[fault.offset - offset :]
        inner = (*inner, Node("@rest", "buffer", fault.offset, len(rest), rest))
    return Node(schema.name, "record", offset, len(payload), None, inner), fault


def end_of(schema: Schema, data: bytes, start: int, version: int | None = None) -> int:
    """The offset behind the payload that begins at `start` of `data`. Raises StreamError if the data end first."""
    stream = io.BytesIO(data)
    stream.seek(start)
    try:
        grammar(schema, version).parse_stream(stream)
    except construct.ConstructError as error:
        fault = error.fault if isinstance(error, Cut) else Fault(stream.tell(), "", "a payload", _first(error))
        raise fault.error from None
    except RecursionError:
        raise StreamError(start, schema.name, "less nesting", "too deep a schema") from None
    return stream.tell()


def encode(schema: Schema, values: Values | Mapping[str, Any], version: int | None = None) -> bytes:
    """The payload of `schema` that holds `values` (as `Node.values` gives them).

    Every field that the version and the other values call for must be there, and nothing else. Raises StreamError
    naming the field that is missing or does not fit (its offset is how many bytes came before).
    """
    stream = io.BytesIO()
    try:
        grammar(schema, version).build_stream(values, stream)
    except construct.ConstructError as error:
        raise StreamError(stream.tell(), _path(error), "a value that fits", _first(error)) from None
    except (TypeError, ValueError, OverflowError, struct.error) as error:
        raise StreamError(stream.tell(), schema.name, "a value that fits", str(error)) from None
    return stream.getvalue()


def blank(schema: Schema, version: int | None = None) -> Values:
    """Values of `schema` that are all zero: no list element, no subsection. A start for `encode`."""
    inner: tuple[Node, ...] = grammar(schema, version).parse_stream(_Zeros(), base=0)
    return Node(schema.name, "record", 0, 0, None, inner).values()


class _Zeros(io.RawIOBase):
    """As many zeros as anyone asks for."""

    position = 0

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= 1 << 24:
            raise StreamError(self.position, "", "a field of sane size", str(size))
        self.position += size
        return bytes(size)

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.position = offset if whence == 0 else self.position + offset
        return self.position


def _path(error: construct.ConstructError) -> str:
    path: str = error.path or ""
    return path.removeprefix("(parsing)").removeprefix("(building)").removeprefix(".")


def _first(error: construct.ConstructError) -> str:
    lines = [line for line in str(error).splitlines() if line and not line.startswith("Error in path")]
    return lines[0] if lines else "nothing"
