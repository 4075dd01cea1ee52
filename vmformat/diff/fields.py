"""Two trees of fields, side by side.

Children are matched by name, so that trees of different schemas can be compared: what only one of them knows is added
or dropped. Bytes are compared before names: of 1024 queues those that are the same are never looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from vmformat.node import Leafs, Node, join
from vmformat.tree import Structs

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_LEAVES: Final = 64
"""Leaves of something that only one side has that are told one by one."""


class FieldDifference(NamedTuple):
    """A leaf that differs, or what only one side has; None is no value."""

    path: str
    old: Leafs | None
    new: Leafs | None
    type: str
    what: str
    text: str = ""


class Side(NamedTuple):
    """A tree, and the bytes that it is of."""

    tree: Node
    data: bytes

    def bytes_of(self, node: Node) -> bytes:
        """Those of a node."""
        start = node.offset - self.tree.offset
        return self.data[start : start + node.size]


def compare(one: Side, other: Side) -> Iterator[FieldDifference]:
    """All that differs, in the order of the first tree, with what only the second has where it stands there.

    What has the same name and the same bytes on both sides is the same, whatever the schemas call what is inside.
    """
    # No recursion: how deep a tree is a stream's own description decides.
    stack: list[tuple[Node | None, Node | None, str]] = [(one.tree, other.tree, "")]
    while stack:
        a, b, path = stack.pop()
        if a is None or b is None:
            yield from _lonely(a, b, path)
        elif _is_leaf(a) and _is_leaf(b):
            yield from _leaves(a, b, path)
        elif _is_leaf(a) or _is_leaf(b):
            yield from _lonely(a, None, path)
            yield from _lonely(None, b, path)
        elif isinstance(a.inner, Structs) and isinstance(b.inner, Structs) and a.inner.size == b.inner.size:
            stack += reversed(list(_elements(a, b, a.inner, b.inner, path)))
        else:
            stack += reversed([pair for pair in _children(a, b, path) if not _same(one, other, *pair[:2])])


def _same(one: Side, other: Side, a: Node | None, b: Node | None) -> bool:
    """Whether two nodes of one name have the same bytes."""
    return a is not None and b is not None and a.size == b.size and one.bytes_of(a) == other.bytes_of(b)


def _is_leaf(node: Node) -> bool:
    return node.value is not None and not node.inner


def _children(a: Node, b: Node, path: str) -> Iterator[tuple[Node | None, Node | None, str]]:
    """Children by name, of several of one name the first with the first."""
    waiting: dict[str, list[Node]] = {}
    theirs = b.children
    for child in reversed(theirs):
        waiting.setdefault(child.name, []).append(child)
    matched: list[tuple[Node | None, Node | None, str]] = []
    after: dict[int, list[Node]] = {}
    partners: dict[int, int] = {}
    for child in a.children:
        found = waiting.get(child.name)
        partner = found.pop() if found else None
        if partner is not None:
            partners[id(partner)] = len(matched)
        matched.append((child, partner, join(path, child.name)))
    last = -1
    for child in theirs:
        last = partners.get(id(child), last) if id(child) in partners else last
        if id(child) not in partners:
            after.setdefault(last, []).append(child)
    yield from ((None, child, join(path, child.name)) for child in after.get(-1, ()))
    for i, pair in enumerate(matched):
        yield pair
        yield from ((None, child, join(path, child.name)) for child in after.get(i, ()))


def _elements(
    a: Node, b: Node, one: Structs, other: Structs, path: str
) -> Iterator[tuple[Node | None, Node | None, str]]:
    """Elements of two arrays of structs of one size that have not the same bytes."""
    size = one.size
    counts = len(one.data) // size, len(other.data) // size
    for i in range(max(counts)):
        at = slice(i * size, i * size + size)
        if i < min(counts) and one.data[at] == other.data[at]:
            continue
        yield one.at(a.offset, i), other.at(b.offset, i), f"{path}[{i}]"


def _lonely(a: Node | None, b: Node | None, path: str) -> Iterator[FieldDifference]:
    """What one side has: its leaves, or if they are many how many bytes."""
    node = a if a is not None else b
    assert node is not None
    if not node.size:
        return
    what = "dropped" if b is None else "added"
    if _is_leaf(node):
        yield _one(path, node, what)
        return
    yield FieldDifference(path, None, None, node.type, what, f"{node.size} bytes")
    told = 0
    for inner, leaf in _few_leaves(node):
        if told == _MOST_LEAVES:
            return
        if leaf.size and leaf.name != "@version" and not _is_zero(leaf.value):
            yield _one(join(path, inner), leaf, what)
            told += 1


def _few_leaves(node: Node) -> Iterator[tuple[str, Node]]:
    stack = [(child, child.name) for child in reversed(node.children)]
    looked = 0
    while stack and looked < 8 * _MOST_LEAVES:
        child, path = stack.pop()
        looked += 1
        if _is_leaf(child):
            yield path, child
        elif isinstance(child.inner, Structs):
            elements = [child.inner.at(child.offset, i) for i in range(8)]
            stack += [(element, path + element.name) for element in reversed(elements) if element is not None]
        else:
            stack += [(inner, join(path, inner.name)) for inner in reversed(child.children)]


def _one(path: str, node: Node, what: str) -> FieldDifference:
    old, new = (node.value, None) if what == "dropped" else (None, node.value)
    return FieldDifference(path, old, new, node.type, what)


def _is_zero(value: Leafs | None) -> bool:
    if isinstance(value, bytes):
        return not value.strip(b"\0")
    return not any(value) if isinstance(value, tuple) else not value


def _leaves(a: Node, b: Node, path: str) -> Iterator[FieldDifference]:
    type_ = a.type if a.type == b.type else f"{a.type} -> {b.type}"
    one, other = a.value, b.value
    if one == other and a.type == b.type:
        return
    if isinstance(one, tuple) and isinstance(other, tuple) and a.type == b.type:
        for i in range(max(len(one), len(other))):
            old, new = one[i] if i < len(one) else None, other[i] if i < len(other) else None
            if old != new:
                what = "added" if old is None else "dropped" if new is None else "changed"
                yield FieldDifference(f"{path}[{i}]", old, new, type_, what)
        return
    yield FieldDifference(path, one, other, type_, "changed")
