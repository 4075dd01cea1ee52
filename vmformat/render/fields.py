"""The fields of one record as lines: a tree by indentation, or flat with whole paths.

The walk keeps its own stack: how deep a tree is, is for a stream's description to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from vmformat.node import Node, join
from vmformat.pci import INSIDES
from vmformat.render.line import Line, clean, text
from vmformat.render.meaning import meaning
from vmformat.render.values import decimal, raw, shown
from vmformat.tree import Elements, Structs

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from vmformat.render.detail import Detail
    from vmformat.render.line import Part, Style

BLANK: Final = " " * 10
"""As wide as an offset."""

_MOST_IN_A_LINE: Final = 8
_LONG: Final = 40
_WIDEST_LINE: Final = 88


def offset_text(offset: int) -> str:
    """An offset in the stream, ten columns wide as long as the stream has less than 4 GiB."""
    return f"{offset:#010x}"


@dataclass(frozen=True, slots=True)
class Place:
    """What the walk knows of where it is: the section's name, what stands before all paths, whose config space."""

    device: str
    prefix: str = ""
    path: str = ""
    config: bytes | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Fold:
    """Elements that take one line: `size` bytes from `offset` on."""

    offset: int
    size: int
    name: str
    said: str


Item: TypeAlias = Node | Fold


def is_leaf(node: Node) -> bool:
    """Whether a node is shown by its value."""
    return node.value is not None and not (node.type in INSIDES and bool(node.inner))


def field_lines(nodes: Iterable[Item], place: Place, detail: Detail) -> Iterator[Line]:
    """Lines for nodes and all below them. `place.path`: the path of what they are in."""
    stack: list[tuple[Iterator[Item], Place]] = [(iter(nodes), place)]
    while stack:
        found, here = stack[-1]
        item = next(found, None)
        if item is None:
            stack.pop()
        elif isinstance(item, Fold):
            yield _line(item.offset, item.name, here, detail, "", item.said, "note")
        elif is_leaf(item):
            if not _silent(item, detail):
                yield leaf_line(item, here, detail)
        else:
            inside = Place(
                here.device,
                here.prefix,
                join(here.path, item.name),
                item.value if item.type == "pci config" and isinstance(item.value, bytes) else here.config,
                here.depth + 1,
            )
            cut = detail.depth is not None and inside.depth > detail.depth
            single = None if cut or detail.flat else single_line(item, inside, detail)
            if single is not None:
                yield (*_line(item.offset, item.name, here, detail, ": ", "", "value"), *single)
            elif _empty(item, detail):
                yield _line(item.offset, item.name, here, detail, " = ", "nothing", "value")
            elif cut:
                yield _line(item.offset, item.name, here, detail, ": ", f"{item.size} bytes", "note")
            else:
                if not detail.flat:
                    yield _head(item, here)
                stack.append((items(item, detail), inside))


def leaf_line(node: Node, place: Place, detail: Detail) -> Line:
    """A leaf with its value and what that means."""
    limit = detail.limit if detail.limit is None else 0
    value = shown(node.value, node.type, limit) if node.value is not None else "nothing"
    said = meaning(place.device, join(place.path, node.name), node, place.config)
    if len(said) > _LONG and isinstance(node.value, bytes) and limit is not None:
        value = f"{len(node.value)} bytes"  # said better behind it
    if not said and isinstance(node.value, int) and place.config is None:
        said = decimal(node.value)
    line = _line(node.offset, node.name, place, detail, " = ", value, "fault" if node.name == "@rest" else "value")
    return (*line, ("meaning", f" ({said})")) if said else line


def _line(
    offset: int | None, name: str, place: Place, detail: Detail, sign: str, said: str, style: Style
) -> tuple[Part, ...]:
    at = BLANK if offset is None else offset_text(offset)
    if detail.flat:
        path = clean(place.prefix + join(place.path, name), 1024)
        return ("offset", at), ("plain", " "), ("field", path), ("plain", sign or " = "), (style, said)
    indent = " " * (2 * place.depth + 2)
    return ("offset", at), ("plain", indent), ("field", clean(name)), ("plain", sign or " = "), (style, said)


def _head(node: Node, place: Place) -> Line:
    """The line above what is in a struct."""
    said = f" {node.type}, {node.size} bytes" if node.type in INSIDES else ""
    if node.type == "subsection":
        said = " subsection"
        version = next(iter(node.children), None)
        if version is not None and isinstance(version.value, int):
            said += f", version {version.value}"
    indent = " " * (2 * place.depth + 2)
    return ("offset", BLANK), ("plain", indent), ("head", clean(node.name)), ("note", said)


def _silent(node: Node, detail: Detail) -> bool:
    """Whether a leaf only holds a list or a subsection together, as it must."""
    if not detail.fold or node.name[:1] != "@":
        return False
    return (node.name, node.value) in {("@more", 1), ("@end", 0)} or (node.name == "@version" and not detail.flat)


def _empty(node: Node, detail: Detail) -> bool:
    """Whether there is nothing to show in a struct or list."""
    if isinstance(node.inner, tuple) or (isinstance(node.inner, Elements) and not len(node.inner)):
        return all(child.value is not None and _silent(child, detail) for child in node.children)
    return not node.size


def single_line(node: Node, place: Place, detail: Detail) -> list[Part] | None:
    """A small element in one line: `num = 0x100, desc = 0x3f5d000`; None if it is not small."""
    if node.name[:1] != "[" or not detail.fold:
        return None
    parts: list[Part] = []
    count, width = 0, 2 * place.depth
    for child in node.children:
        if not is_leaf(child) or count >= _MOST_IN_A_LINE or (isinstance(child.value, tuple) and len(child.value) > 4):
            return None
        if _silent(child, detail):
            continue
        said = meaning(place.device, join(place.path, child.name), child, place.config)
        assert child.value is not None
        value = raw(child.value, 8) if isinstance(child.value, bytes) else shown(child.value, child.type)
        piece: list[Part] = [("plain", ", ")] if parts else []
        piece += [("field", clean(child.name)), ("plain", " = "), ("value", value)]
        piece += [("meaning", f" ({said})")] if said else []
        width += sum(len(text) for _, text in piece)
        if width > _WIDEST_LINE:
            return None
        parts += piece
        count += 1
    return parts or None


def items(node: Node, detail: Detail) -> Iterator[Item]:
    """The children of a node; of elements that are equal only the first."""
    inner = node.inner
    if isinstance(inner, Structs):
        data, size = inner.data, inner.size
        zero = bytes(size)

        def element(i: int) -> Node:
            found = inner.at(node.offset, i)
            assert found is not None
            return found

        return _folded(
            len(data) // size,
            element,
            lambda i: data[i * size : i * size + size],
            lambda key: key == zero,
            detail,
            lambda i: node.offset + i * size,
        )
    children = node.children
    first = next((i for i, child in enumerate(children) if child.name[:1] == "["), None)
    if first is None:
        return iter(children)
    last = max(i for i, child in enumerate(children) if child.name[:1] == "[") + 1
    elements = children[first:last]
    folded = _folded(
        len(elements),
        elements.__getitem__,
        lambda i: _key(elements[i]),
        _all_zero,
        detail,
        lambda i: elements[i].offset if i < len(elements) else elements[-1].end,
    )
    return _chain(children[:first], folded, children[last:])


def _chain(before: tuple[Node, ...], middle: Iterator[Item], behind: tuple[Node, ...]) -> Iterator[Item]:
    yield from before
    yield from middle
    yield from behind


def _key(element: Node) -> Hashable:
    """Equal for elements that hold the same."""
    if is_leaf(element):
        return (("", element.value),)
    key = []
    for child in element.children:
        if not is_leaf(child):
            return element  # not looked into: equal to itself only
        key.append((child.name, child.value))
    return tuple(key)


def _all_zero(key: Hashable) -> bool:
    """Whether a key is that of an element of zeros."""
    if not isinstance(key, tuple) or not key:
        return False
    for _, value in key:
        if isinstance(value, int):
            if value:
                return False
        elif not isinstance(value, bytes | tuple) or any(value):
            return False
    return True


def _folded(
    count: int,
    element: Callable[[int], Node],
    key: Callable[[int], Hashable],
    zero: Callable[[Hashable], bool],
    detail: Detail,
    offset: Callable[[int], int],
) -> Iterator[Item]:
    """Elements, equal ones that follow each other in one line."""
    if not detail.fold:
        for i in range(count):
            yield element(i)
        return
    at = lines = 0
    while at < count:
        if detail.limit is not None and lines >= detail.limit:
            yield Fold(offset(at), offset(count) - offset(at), f"[{at}..{count - 1}]", f"{count - at} more, not shown")
            return
        own = key(at)
        end = at + 1
        while end < count and key(end) == own:
            end += 1
        lines += 1
        if zero(own) and end - at > 1:
            yield Fold(offset(at), offset(end) - offset(at), f"[{at}..{end - 1}]", "all zero")
        else:
            yield element(at)
            if end - at > 1:
                name = f"[{at + 1}]" if end - at == 2 else f"[{at + 1}..{end - 1}]"
                yield Fold(offset(at + 1), offset(end) - offset(at + 1), name, f"as [{at}]")
        at = end


def plain(lines: Iterable[Line]) -> Iterator[str]:
    """Lines without styles."""
    return map(text, lines)
