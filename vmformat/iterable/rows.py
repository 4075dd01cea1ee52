"""Payloads that are a row of records, each with its own shape: what ram, dirty-bitmap and block sections share.

A `Form` tells where records begin and what is in one; here rows of them become nodes, as late as can be: a ram section
may have millions. What is no record stands behind the last one as `@rest`, so the way back gives the same bytes for
any payload.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from vmformat.errors import StreamError
from vmformat.node import Node, Values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.ram.walk import Sliced

REST: Final = "@rest"

_STEP: Final = 1024


class Row(NamedTuple):
    """Records of one size, one after the other: nearly always one, many where a form has them in bulk."""

    start: int
    records: int
    end: int


class Form(Protocol):
    """One kind of payload. Offsets count from the start of `data`."""

    def rows(self, data: Sliced, at: int, end: int) -> Iterator[Row]:
        """All of them, up to and with what ends a payload. Raises StreamError where there is none, or it is cut off."""

    def fields(self, data: Sliced, start: int, end: int, offset: int) -> tuple[Node, ...]:
        """What is in the record from `start` to `end`; nodes count from `offset`, where the data's first byte is."""

    def build(self, values: Mapping[str, Any]) -> bytes:
        """The bytes of a record. Raises KeyError, TypeError, ValueError or OverflowError for values that do not fit."""


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one payload, as `node.Inner`."""

    form: Form
    data: Sliced
    _marks: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)], compare=False, repr=False)
    """Index of a record and where it begins, every so often."""

    def expand(self, offset: int) -> tuple[Node, ...]:
        """All of them."""
        return tuple(self.nodes(offset))

    def nodes(self, offset: int) -> Iterator[Node]:
        """All of them, one by one."""
        index = at = 0
        for row, _ in self._rows(0, 0):
            size = (row.end - row.start) // row.records
            for start in range(row.start, row.end, size):
                yield self._node(offset, index, start, start + size)
                index += 1
            at = row.end
        if at < len(self.data):
            yield self._rest(offset, at)

    def at(self, offset: int, index: int) -> Node | None:
        """Record number `index`."""
        known, start = next(mark for mark in reversed(self._marks) if mark[0] <= index)
        for row, first in self._rows(known, start):
            if index < first + row.records:
                size = (row.end - row.start) // row.records
                begin = row.start + (index - first) * size
                return self._node(offset, index, begin, begin + size)
        return None

    def values(self) -> Values:
        """A dict for each record, and the bytes behind the last one if there are any."""
        return [node.values() for node in self.nodes(0)]

    def fault(self) -> StreamError | None:
        """What is wrong with the payload, at an offset in it."""
        at = 0
        try:
            for row in self.form.rows(self.data, 0, len(self.data)):
                at = row.end
        except StreamError as error:
            return error
        if at < len(self.data):
            return StreamError(at, "", "the end of the payload", f"{len(self.data) - at} bytes more")
        return None

    def _rows(self, index: int, at: int) -> Iterator[tuple[Row, int]]:
        """Rows from `at`, where record number `index` begins, each with the number of its first record."""
        marked = self._marks[-1][0]
        try:
            for row in self.form.rows(self.data, at, len(self.data)):
                if index >= marked + _STEP:
                    self._marks.append((index, row.start))
                    marked = index
                yield row, index
                index += row.records
        except StreamError:
            return

    def _node(self, offset: int, index: int, start: int, end: int) -> Node:
        fields = self.form.fields(self.data, start, end, offset)
        return Node(f"[{index}]", "element", offset + start, end - start, None, fields)

    def _rest(self, offset: int, at: int) -> Node:
        left = len(self.data) - at
        return Node(REST, "buffer", offset + at, left, bytes(self.data[at : at + left]))


@dataclass(frozen=True, slots=True)
class Pages:
    """A long stretch of bytes as elements of some size, as `node.Inner`; as a value it is bytes again."""

    data: Sliced
    start: int
    end: int
    size: int

    def expand(self, offset: int) -> tuple[Node, ...]:
        """All of them."""
        return tuple(self._node(offset, i) for i in range(self._count()))

    def at(self, offset: int, index: int) -> Node | None:
        """Element number `index`."""
        return self._node(offset, index) if index < self._count() else None

    def values(self) -> Values:
        """All the bytes."""
        return bytes(self.data[self.start : self.end])

    def _count(self) -> int:
        return -(-(self.end - self.start) // self.size)

    def _node(self, offset: int, index: int) -> Node:
        start = self.start + index * self.size
        end = min(start + self.size, self.end)
        place = offset + start - self.start
        return Node(f"[{index}]", "buffer", place, end - start, bytes(self.data[start:end]))


class Cutter:
    """Fields taken off a record one after the other, as nodes."""

    __slots__ = ("at", "data", "nodes", "offset")

    def __init__(self, data: Sliced, at: int, offset: int) -> None:
        self.data, self.at, self.offset = data, at, offset
        self.nodes: list[Node] = []

    def number(self, name: str, size: int) -> int:
        """A big-endian integer of 1, 2, 4 or 8 bytes."""
        value = int.from_bytes(self.data[self.at : self.at + size], "big")
        self._add(name, f"uint{8 * size}", size, value)
        return value

    def string(self, name: str) -> bytes:
        """A counted string."""
        size = int.from_bytes(self.data[self.at : self.at + 1], "big")
        text = bytes(self.data[self.at + 1 : self.at + 1 + size])
        self._add(name, "string", 1 + size, text)
        return text

    def buffer(self, name: str, size: int) -> bytes:
        """So many bytes."""
        value = bytes(self.data[self.at : self.at + size])
        self._add(name, "buffer", size, value)
        return value

    def pages(self, name: str, size: int, page: int) -> None:
        """So many bytes, not looked at until someone asks."""
        inner = Pages(self.data, self.at, self.at + size, page)
        self.nodes.append(Node(name, "array", self.offset + self.at, size, None, inner))
        self.at += size

    def _add(self, name: str, type_: str, size: int, value: int | bytes) -> None:
        self.nodes.append(Node(name, type_, self.offset + self.at, size, value))
        self.at += size


def raw(value: object) -> bytes:
    """Bytes, given as such or as text (Latin-1). Raises TypeError or ValueError."""
    if isinstance(value, str):
        return value.encode("latin-1")
    if isinstance(value, bytes):
        return value
    raise TypeError(f"bytes are needed, not {value!r:.40}")


def counted(value: object) -> bytes:
    """A counted string. Raises TypeError or ValueError."""
    text = raw(value)
    if len(text) > 255:
        raise ValueError(f"a name has at most 255 bytes, not {len(text)}")
    return bytes([len(text)]) + text


def number(value: object, size: int) -> bytes:
    """A big-endian integer. Raises TypeError or OverflowError."""
    if not isinstance(value, int):
        raise TypeError(f"a number is needed, not {value!r:.40}")
    return value.to_bytes(size, "big")


def _fields(one: object) -> Mapping[str, Any]:
    if isinstance(one, Mapping):
        return one
    raise TypeError(f"fields by name are needed, not {one!r:.40}")


def build(form: Form, values: object, name: str) -> bytes:
    """The payload of a list as `Records.values` gives it. Raises StreamError naming the record that does not fit."""
    if isinstance(values, Mapping) and not values:
        values = []
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise StreamError(0, name, "a list of records", f"{values!r:.40}")
    out: list[bytes] = []
    for i, one in enumerate(values):
        if isinstance(one, bytes):  # what is no record
            out.append(one)
            continue
        try:
            out.append(form.build(_fields(one)))
        except KeyError as error:
            problem = f"no field {error.args[0]}"
        except (TypeError, ValueError, OverflowError, AttributeError, IndexError) as error:
            problem = str(error)
        else:
            continue
        raise StreamError(sum(map(len, out)), f"{name}[{i}]", "values that fit a record", problem)
    return b"".join(out)


def reject_others(values: Mapping[str, Any], known: set[str]) -> None:
    """Raises ValueError if there is a value that nothing was made of, but for lengths (`x@length`)."""
    for name in values:
        if name not in known and not name.endswith("@length"):
            raise ValueError(f"a record of this kind has no field {name}")
