"""Payloads of sections that are sent while the guest runs on: rows of records instead of a schema.

Such a section comes as a START, some PARTs and an END; each payload is a row of its own. `ram`, `dirty-bitmap` and
`block` are known. The law: `encode_records(name, decode_records(name, b).values()) == b`, whatever the bytes, with one
context both ways; what context fits bytes that nobody knows anything of, `ram.walk.fitting` finds out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vmformat.errors import Fault, StreamError
from vmformat.iterable.block import BlockForm
from vmformat.iterable.dirty_bitmap import DirtyBitmapForm
from vmformat.iterable.rows import Records, build
from vmformat.node import Node
from vmformat.ram.context import RamContext
from vmformat.ram.tree import RamForm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.iterable.rows import Form
    from vmformat.ram.walk import Sliced

ITERABLE: Final = frozenset({"ram", "dirty-bitmap", "block"})
"""Names of sections whose payloads are read here."""


def decode_records(name: str, payload: Sliced, offset: int = 0, context: RamContext | None = None) -> Node:
    """The tree of a payload; offsets count from `offset`. Nothing of it is read before someone asks for children.

    What is no record stands behind the last one in a leaf `@rest`; `records_fault` says why. Raises StreamError for a
    name that is none of `ITERABLE`, and nothing for any bytes.
    """
    return Node(name, "record", offset, len(payload), None, Records(_form(name, context), payload))


def iter_nodes(name: str, payload: Sliced, offset: int = 0, context: RamContext | None = None) -> Iterator[Node]:
    """The children of that tree one by one, for who must not hold millions at once."""
    return Records(_form(name, context), payload).nodes(offset)


def records_fault(name: str, payload: Sliced, offset: int = 0, context: RamContext | None = None) -> Fault | None:
    """What is wrong with a payload: the first record that is none, what is cut off, bytes behind the end."""
    error = Records(_form(name, context), payload).fault()
    return None if error is None else Fault(offset + error.offset, name, error.expected, error.found)


def encode_records(name: str, values: object, context: RamContext | None = None) -> bytes:
    """The payload of a list of records as `Node.values` gives it: a dict of fields each, bytes for what is no record.

    Lengths are made of what they count. Raises StreamError naming the record whose values do not fit.
    """
    return build(_form(name, context), values, name)


def measure_records(name: str, data: Sliced, start: int, context: RamContext | None = None) -> int:
    """The offset behind the payload that begins at `start` of `data`. Raises StreamError if it does not end there."""
    end = start
    for row in _form(name, context).rows(data, start, len(data)):
        end = row.end
    return end


def _form(name: str, context: RamContext | None) -> Form:
    if name == "ram":
        return RamForm(context or RamContext())
    if name == "dirty-bitmap":
        return DirtyBitmapForm()
    if name == "block":
        return BlockForm()
    raise StreamError(0, name, " or ".join(sorted(ITERABLE)), name)
