"""Schemas as constructs: the plain way over a payload, one parse a field. Tests hold `vmformat._layout` against it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from slow_grammar.leaf import Cut
from slow_grammar.nested import grammar
from vmformat.node import Node

if TYPE_CHECKING:
    from vmformat.errors import Fault
    from vmformat.node import Values
    from vmformat.schema import Schema


def decode(
    schema: Schema, payload: bytes, offset: int = 0, version: int | None = None
) -> tuple[Node, int, Fault | None]:
    """The tree of what could be read, the position behind, and the field that could not be, if there is one."""
    stream = io.BytesIO(payload)
    fault = None
    try:
        inner: tuple[Node, ...] = grammar(schema, version).parse_stream(stream, base=offset)
        end = stream.tell()
    except Cut as stopped:
        fault = stopped.fault
        inner = stopped.inner if isinstance(stopped.inner, tuple) else ()
        end = fault.offset - offset
    return Node(schema.name, "record", offset, len(payload), None, inner), end, fault


def encode(schema: Schema, values: Values, version: int | None = None) -> bytes:
    """The payload that holds these values. Raises what construct raises."""
    stream = io.BytesIO()
    grammar(schema, version).build_stream(values, stream)
    return stream.getvalue()
