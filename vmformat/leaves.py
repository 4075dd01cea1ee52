"""Leaves: where in a payload every value stands. What a mutator works on.

An array is one leaf with a count, and an array of 1024 structs one leaf for each of its fields with a stride, so that a
device of 50 KB has some hundred leaves and they are known in a millisecond.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from vmformat.errors import StreamError
from vmformat.node import Node, join
from vmformat.pci import INSIDES
from vmformat.schema import INTEGERS, LITTLE_ENDIAN, Schema
from vmformat.tree import Structs, decode


@dataclass(frozen=True, slots=True)
class Leaf:
    """`count` values of one type, `stride` bytes apart, the first at `offset` of the payload; each has `size` bytes.

    An empty pair of brackets in `path` stands for the number of the element. Types are those of `schema`; the length
    before a "string" or "vbuffer" is a leaf `name@length` of its own, and their bytes are a "buffer".
    """

    path: str
    offset: int
    size: int
    type: str
    count: int = 1
    stride: int = 0

    @property
    def integer(self) -> bool:
        """Whether the values are integers."""
        return self.type in INTEGERS

    @property
    def byteorder(self) -> str:
        """ "little" or "big"."""
        return "little" if self.type in LITTLE_ENDIAN else "big"

    def element(self, index: int) -> Leaf:
        """Value number `index` (0..count-1) as a leaf of its own."""
        if not 0 <= index < self.count:
            raise StreamError(self.offset, self.path, f"an element below {self.count}", str(index))
        if self.count == 1:
            return self
        return Leaf(self.path.replace("[]", f"[{index}]", 1), self.offset + index * self.stride, self.size, self.type)


_MOST: Final = 256
MOST_LEAVES: Final = 100_000
"""Answers kept, and leaves in all of them: some 25 MB. A hostile payload has a leaf for every other byte."""

_KNOWN: Final[OrderedDict[tuple[int, int | None, bytes], tuple[Schema, tuple[Leaf, ...]]]] = OrderedDict()
_KEPT: Final = [0]
"""Leaves in all answers."""


def leaves(schema: Schema, payload: bytes, version: int | None = None) -> tuple[Leaf, ...]:
    """The leaves of a payload, in wire order, offsets counted from its start. The last few hundred answers are kept.

    Raises StreamError if the payload is not one of that schema.
    """
    known = _KNOWN.get((id(schema), version, payload))
    return _new_leaves(schema, payload, version) if known is None else known[1]


def _new_leaves(schema: Schema, payload: bytes, version: int | None) -> tuple[Leaf, ...]:
    found = find_leaves(schema, payload, version)
    if len(found) <= MOST_LEAVES:
        _KNOWN[id(schema), version, payload] = schema, found
        _KEPT[0] += len(found)
        while len(_KNOWN) > _MOST or _KEPT[0] > MOST_LEAVES:
            _KEPT[0] -= len(_KNOWN.popitem(last=False)[1][1])
    return found


def find_leaves(schema: Schema, payload: bytes, version: int | None = None) -> tuple[Leaf, ...]:
    """As `leaves`, without looking whether the answer is known."""
    found: list[Leaf] = []
    for node in decode(schema, payload, 0, version).children:
        _collect(node, node.name, found)
    return tuple(found)


def _collect(node: Node, path: str, found: list[Leaf]) -> None:
    if isinstance(node.inner, Structs):
        _strided(node, path, found)
    elif node.type in {"string", "vbuffer"}:
        length = 1 if node.type == "string" else 4
        found.append(Leaf(f"{path}@length", node.offset, length, "uint8" if length == 1 else "uint32"))
        found.append(Leaf(path, node.offset + length, node.size - length, "buffer"))
    elif isinstance(node.value, tuple):
        count = len(node.value)
        type_ = "uint32" if node.type == "pci irq state" else node.type
        if count:
            size = node.size // count
            found.append(Leaf(f"{path}[]", node.offset, size, type_, count, size))
    elif node.type in INSIDES or node.value is None:
        for child in node.children:
            _collect(child, join(path, child.name), found)
    elif node.size:
        found.append(Leaf(path, node.offset, node.size, node.type))


def _strided(node: Node, path: str, found: list[Leaf]) -> None:
    """An array of structs: the leaves of its first element, repeated."""
    assert isinstance(node.inner, Structs)
    first = node.inner.at(node.offset, 0)
    if first is None:
        return
    inner: list[Leaf] = []
    for child in first.children:
        _collect(child, join(f"{path}[]", child.name), inner)
    times, stride = node.size // first.size, first.size
    for leaf in inner:
        # An array within: each of its elements becomes a leaf. Brackets of the outer array come first in the path.
        head = len(path) + 2
        for i in range(leaf.count):
            tail = leaf.path[head:].replace("[]", f"[{i}]", 1) if leaf.count > 1 else leaf.path[head:]
            at = leaf.offset + i * leaf.stride
            found.append(Leaf(f"{path}[]{tail}", at, leaf.size, leaf.type, times, stride))
