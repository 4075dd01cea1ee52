"""Nodes: named, typed, placed pieces of a decoded payload. Values only; `tree` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Leafs: TypeAlias = int | bytes | tuple[int, ...] | tuple[bytes, ...]
"""What a leaf holds: an integer, bytes, or an array of either."""

Values: TypeAlias = "Leafs | str | Mapping[str, Values] | Sequence[Values]"
"""What `tree.encode` takes and `Node.values` gives: dicts for structs, lists for arrays and lists of structs."""


class Inner(Protocol):
    """Children that are made only when someone asks: arrays of thousands of structs, config registers."""

    def expand(self, offset: int) -> tuple[Node, ...]:
        """All of them; `offset` is where the first byte of the parent stands."""

    def at(self, offset: int, index: int) -> Node | None:
        """The child named `[index]`, if there is one."""

    def values(self) -> Values:
        """What `Node.values` gives for a parent that holds no value itself."""


@dataclass(frozen=True, slots=True)
class Node:
    """One field, struct, list or element.

    - `name`: as the schema has it; elements of arrays and lists are `[i]`, what is no field of its own but stands in
      the bytes is `@more`, `@end`, `@count`, `@version` (see `tree`).
    - `type`: the schema's, or "element", "subsection", "record" (the root).
    - `offset`, `size`: bytes, from where the caller of `decode` said the payload stands.
    - `value`: what a leaf holds; None for structs and lists. A config space has both a value and children.
    """

    name: str
    type: str
    offset: int
    size: int
    value: Leafs | None = None
    inner: tuple[Node, ...] | Inner = ()

    @property
    def children(self) -> tuple[Node, ...]:
        """The nodes inside. May be made anew at each call: keep the result if it is needed twice."""
        return self.inner if isinstance(self.inner, tuple) else self.inner.expand(self.offset)

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + self.size

    def find(self, path: str) -> Node | None:
        """The node at `path` below this one, None if there is none; "" is this node itself.

        Names are joined by dots and contain dots themselves; the first child in wire order whose name fits is taken.
        """
        if not path:
            return self
        if path[0] == "[" and not isinstance(self.inner, tuple):
            number, _, _ = path[1:].partition("]")
            child = self.inner.at(self.offset, int(number)) if number.isdecimal() and len(number) < 8 else None
            return None if child is None else child.find(path[len(child.name) :].removeprefix("."))
        for child in self.children:
            if not path.startswith(child.name):
                continue
            rest = path[len(child.name) :]
            if rest[:1] in {"", ".", "[", "@"}:
                found = child.find(rest.removeprefix("."))
                if found is not None:
                    return found
        return None

    def walk(self, path: str = "") -> Iterator[tuple[str, Node]]:
        """This node and all below it, in wire order, with their paths."""
        yield path, self
        for child in self.children:
            yield from child.walk(join(path, child.name))

    def values(self) -> Values:
        """What `tree.encode` needs to build the same bytes again."""
        if self.value is not None:
            return self.value
        if not isinstance(self.inner, tuple):
            return self.inner.values()
        first = self.inner[0].name if self.inner else ""
        if first[0:1] == "[" or first in {"@end", "@count"}:
            elements: list[Values] = [c.values() for c in self.inner if c.name[0:1] == "["]
            told = [c.values() for c in self.inner[:1] if c.name == "@count" and c.value != len(elements)]
            return told + elements + [c.values() for c in self.inner[-1:] if c.name == "@end" and c.value]
        return {c.name: c.values() for c in self.inner if not (c.name == "@more" and c.value == 1)}


def join(path: str, name: str) -> str:
    """The path of what is called `name` inside `path`."""
    return path + name if not path or name[0:1] in {"[", "@"} else f"{path}.{name}"
