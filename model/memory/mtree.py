"""The text of `info mtree`, both ways (memory.md 9).

`parse_tree` reads `info mtree -o -D`, `parse_flat` reads `info mtree -f -o` (flags in this order, or the monitor
refuses the line), `format_flat` writes what `info mtree -f` prints, and `layout` gives the one value in which two flat
listings are compared: a multiset, because view order follows a hash and address-space names repeat.

Both parsers take CR LF and LF, and the text with or without owners.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from model.memory.region import Region
    from model.memory.space import AddressSpace
    from model.memory.view import FlatView

_T64 = 1 << 64
_OVERFLOW = "[DETECTED OVERFLOW!] "
_HEAD = re.compile(r"^( *)([0-9a-f]{16})-([0-9a-f]{16}) \(prio (-?\d+), (nv-)?(ramd|romd|rom|ram|i/o)\): (.*)$")
_OWNER = re.compile(r"((?: orphan)|(?: owner:\{[^}]*\})?(?: parent:\{[^}]*\})?)$")
_ALIAS = re.compile(r"^alias (.*) @(.*) ([0-9a-f]{16})-([0-9a-f]{16})$")
_OFFSET = re.compile(r"^(.*) @([0-9a-f]{16})$")
_SPACE = re.compile(r'^ AS "(.*)", root: (.*?)(?:, alias (.*))?$')
_RESOLVED = " Root memory region: "


@dataclass(frozen=True, slots=True)
class Node:
    """One region as the tree prints it. `start` and `end` are cumulative and inclusive, 0..2**64-1."""

    start: int
    end: int
    priority: int
    type: str
    name: str
    alias: str | None
    """Name of the target; None for a plain region."""
    alias_offset: int
    owner: str
    """The tail as printed, such as `owner:{dev id=rp0}`; empty when the text has none."""
    disabled: bool
    nonvolatile: bool
    depth: int
    """Levels below the section's root, 0 for the root. Without `-D` a child of a hidden region jumps two levels."""
    children: tuple[Node, ...] = ()

    @property
    def size(self) -> int:
        """Bytes, 1..2**64. A region of size 0 prints like one of size 1, so 1 may mean 0."""
        return (self.end - self.start) % _T64 + 1

    def address_in(self, parent: Node) -> int:
        """The offset within the parent's region, 0..2**64-1."""
        return (self.start - parent.start) % _T64

    def walk(self) -> Iterable[Node]:
        """This node and all below it, in print order."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Tree:
    """One section: the spaces that have this very region as root, or an alias target (then `spaces` is empty)."""

    spaces: tuple[str, ...]
    root: Node


@dataclass(frozen=True, slots=True)
class RangeLine:
    """One range as the flat form prints it; `end` is inclusive, `offset` that in the region."""

    start: int
    end: int
    priority: int
    type: str
    name: str
    offset: int
    nonvolatile: bool = False
    owner: str = ""


@dataclass(frozen=True, slots=True)
class SpaceLine:
    """One address space of a view: its name, its root's name, and the root's target where the root is an alias."""

    name: str
    root: str
    alias: str | None


@dataclass(frozen=True, slots=True)
class ViewText:
    """One flat view as printed; `resolved` is None for the empty view."""

    spaces: tuple[SpaceLine, ...]
    resolved: str | None
    ranges: tuple[RangeLine, ...]


Layout: TypeAlias = Counter[tuple[str, str, str | None, tuple[tuple[int, int, int, str, str, int], ...]]]
"""Multiset of (space, its root's name, resolved root's name, ranges (start, end, priority, type, name, offset))."""


def parse_tree(text: str) -> list[Tree]:
    """The sections of `info mtree`, in print order.

    Raises ValueError, naming the line, on text that is not in this form.
    """
    sections: list[Tree] = []
    spaces: list[str] = []
    nodes: list[Node] = []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.startswith("address-space: "):
            spaces.append(line.removeprefix("address-space: "))
        elif line.startswith("memory-region: "):
            spaces = []
        elif line:
            nodes.append(_node(line, number))
        elif nodes:
            sections.append(Tree(tuple(spaces), _nest(nodes, 0)[0]))
            spaces, nodes = [], []
    return sections


def parse_flat(text: str) -> list[ViewText]:
    """The views of `info mtree -f`, in print order.

    Raises ValueError, naming the line, on text that is not in this form. Blocks that `-d` adds are skipped.
    """
    views: list[ViewText] = []
    spaces: list[SpaceLine] = []
    ranges: list[RangeLine] = []
    resolved: str | None = None
    dispatch = False
    for number, line in enumerate([*text.splitlines(), "FlatView #end"], 1):
        if line.startswith("FlatView #"):
            if spaces:
                views.append(ViewText(tuple(spaces), resolved, tuple(ranges)))
            spaces, ranges, dispatch = [], [], False
        elif found := _SPACE.match(line):
            spaces.append(SpaceLine(*found.groups()))
        elif line.startswith(_RESOLVED):
            name = line.removeprefix(_RESOLVED)
            resolved = None if name == "(none)" else name
        elif line == "  Dispatch":
            dispatch = True
        elif line and not dispatch and line != "  No rendered FlatView":
            ranges.append(_range(line, number))
    return views


def layout(views: str | Iterable[ViewText]) -> Layout:
    """What two flat listings are compared by: everything but owners, numbering and who shares a view with whom."""
    if isinstance(views, str):
        views = parse_flat(views)
    return Counter(
        (space.name, space.root, view.resolved, ranges)
        for view in views
        for ranges in [tuple((r.start, r.end, r.priority, r.type, r.name, r.offset) for r in view.ranges)]
        for space in view.spaces
    )


def sharing(views: str | Iterable[ViewText]) -> Counter[tuple[str, ...]]:
    """Which address spaces share a view: a multiset of sorted space names."""
    if isinstance(views, str):
        views = parse_flat(views)
    return Counter(tuple(sorted(space.name for space in view.spaces)) for view in views)


def view_texts(spaces: Sequence[AddressSpace]) -> list[ViewText]:
    """The current views of the spaces as values, in order of the first space that has each."""
    groups: dict[int, tuple[FlatView, list[SpaceLine]]] = {}
    for space in spaces:
        root = space.root
        line = SpaceLine(space.name, root.name, root.alias.name if root.alias else None)
        groups.setdefault(id(space.current), (space.current, []))[1].append(line)
    return [
        ViewText(
            tuple(lines),
            view.root.name if view.root else None,
            tuple(_line(r.start, r.end, r.region, r.offset, r.readonly, r.nonvolatile) for r in view),
        )
        for view, lines in groups.values()
    ]


def format_flat(spaces: Sequence[AddressSpace]) -> str:
    """`info mtree -f` of these spaces, LF line ends; views are numbered by their first space."""
    out: list[str] = []
    for number, view in enumerate(view_texts(spaces)):
        out.append(f"FlatView #{number}")
        for space in view.spaces:
            alias = f", alias {space.alias}" if space.alias is not None else ""
            out.append(f' AS "{space.name}", root: {space.root}{alias}')
        out.append(f"{_RESOLVED}{'(none)' if view.resolved is None else view.resolved}")
        for r in view.ranges:
            nv = "nv-" if r.nonvolatile else ""
            offset = f" @{r.offset:016x}" if r.offset else ""
            out.append(f"  {r.start:016x}-{r.end:016x} (prio {r.priority}, {nv}{r.type}): {r.name}{offset}")
        if not view.ranges:
            out.append("  No rendered FlatView")
        out.append("")
    return "\n".join(out) + "\n" if out else ""


def _line(start: int, end: int, region: Region, offset: int, readonly: bool, nonvolatile: bool) -> RangeLine:
    kind = "rom" if readonly else region.type_text
    return RangeLine(start, end - 1, region.priority, kind, region.name, offset, nonvolatile)


def _node(line: str, number: int) -> Node:
    found = _HEAD.match(line.removeprefix(_OVERFLOW))
    if not found:
        msg = f"line {number} is not a memory region: {line!r}"
        raise ValueError(msg)
    indent, start, end, priority, nv, kind, body = found.groups()
    body, owner = _split_owner(body)
    name = body.removesuffix(" [disabled]")
    alias = _ALIAS.match(name)
    return Node(
        start=int(start, 16),
        end=int(end, 16),
        priority=int(priority),
        type=kind,
        name=alias[1] if alias else name,
        alias=alias[2] if alias else None,
        alias_offset=int(alias[3], 16) if alias else 0,
        owner=owner,
        disabled=name != body,
        nonvolatile=bool(nv),
        depth=len(indent) // 2 - 1,
    )


def _nest(nodes: list[Node], at: int) -> tuple[Node, int]:
    """The node at an index with all deeper ones that follow as its children; and the index behind them."""
    node = nodes[at]
    at += 1
    children = []
    while at < len(nodes) and nodes[at].depth > node.depth:
        child, at = _nest(nodes, at)
        children.append(child)
    fields = {name: getattr(node, name) for name in Node.__slots__}
    return Node(**{**fields, "children": tuple(children)}), at


def _range(line: str, number: int) -> RangeLine:
    found = _HEAD.match(line)
    if not found:
        msg = f"line {number} is not a range: {line!r}"
        raise ValueError(msg)
    _, start, end, priority, nv, kind, body = found.groups()
    while body.endswith(" KVM"):
        body = body.removesuffix(" KVM")
    body, owner = _split_owner(body)
    offset = _OFFSET.match(body)
    name = offset[1] if offset else body
    at = int(offset[2], 16) if offset else 0
    return RangeLine(int(start, 16), int(end, 16), int(priority), kind, name, at, bool(nv), owner)


def _split_owner(body: str) -> tuple[str, str]:
    found = _OWNER.search(body)
    owner = found[1] if found else ""
    return body[: len(body) - len(owner)], owner.strip()
