"""The passes over what a section need not have: subsections, elements of arrays and lists, lengths of buffers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmformat import StreamError
from vmformat.edit.payload import Payload, rebuilt
from vmformat.iterable.payloads import ITERABLE
from vmformat.node import join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fuzz.shrink.work import Work
    from vmformat import Node, Section
    from vmformat.edit.payload import Place as ValuePlace
    from vmformat.paths import Place

MOST_ELEMENTS = 64
"""Elements of an array that are dropped one by one; of a longer one only the end goes."""


def subsections(work: Work) -> None:
    """Drop subsections, the last ones first: outer ones before what is in them."""
    for place in _places(work):
        passed: set[str] = set()
        while True:
            section = _section(work, place)
            paths = [path for path, node in _nodes(section) if node.type == "subsection" and path not in passed]
            if not paths:
                break
            path = next((path for path in reversed(paths) if not any(_holds(one, path) for one in paths)), paths[-1])
            passed.add(path)
            _change(work, place, path, lambda value: value.remove())


def arrays(work: Work) -> None:
    """Shorten what has a length of its own: arrays, lists, strings and buffers that a field counts."""
    for place in _places(work):
        for path, length in list(_lengths(_section(work, place))):
            _shorten(work, place, path, length)


def _shorten(work: Work, place: Place, path: str, length: int) -> None:
    """The shortest that does, from the end; then single elements out of it."""
    low, high = 0, length
    if not _resize(work, place, path, 0):
        while high - low > 1:
            middle = (low + high) // 2
            if _resize(work, place, path, middle):
                high = middle
            else:
                low = middle
        if high <= MOST_ELEMENTS:
            for index in reversed(range(high)):
                _change(work, place, f"{path}[{index}]", lambda value: value.remove())


def _resize(work: Work, place: Place, path: str, length: int) -> bool:
    return _change(work, place, path, lambda value: value.resize(length))


def _change(work: Work, place: Place, path: str, change: Callable[[ValuePlace], None]) -> bool:
    """Whether the section at a place may be so; what depends on the change follows, and bytes must go by it."""
    section = _section(work, place)
    layout = section.layout
    if layout is None:
        return False
    try:
        payload = Payload.read(layout, section.payload, section.version, section.tree)
        changed = rebuilt(payload, path, change)
    except StreamError:
        return False
    return len(changed.data) < len(section.payload) and work.payload(work.stream, place, section, changed.data)


def _places(work: Work) -> list[Place]:
    """Where sections stand whose payload a schema explains to its end."""
    return [place for place, one in work.sections() if one.name not in ITERABLE and _is_whole(one)]


def _is_whole(section: Section) -> bool:
    return section.layout is not None and section.read_payload()[1] is None


def _section(work: Work, place: Place) -> Section:
    """What stands at a place now."""
    return next(section for where, section in work.sections() if where == place)


def _nodes(section: Section) -> Iterator[tuple[str, Node]]:
    """What may have lengths and subsections: elements of arrays only as far as their number is small."""
    stack = [("", section.tree)]
    while stack:
        path, node = stack.pop()
        yield path, node
        if node.value is None:
            stack += [(join(path, child.name), child) for child in reversed(node.children[:1024])]


def _holds(inner: str, outer: str) -> bool:
    return inner != outer and outer.startswith(inner)


def _lengths(section: Section) -> Iterator[tuple[str, int]]:
    """Paths with their lengths, longest-living first: an array before what is in its elements."""
    layout = section.layout
    if layout is None:
        return
    payload = Payload.read(layout, section.payload, section.version, section.tree)
    for path, node in _nodes(section):
        if not path or node.type in {"element", "record", "subsection"}:
            continue
        length = _length(node)
        try:
            if length and payload.variable(path, node):
                yield path, length
        except StreamError:
            continue


def _length(node: Node) -> int:
    if isinstance(node.value, bytes | tuple):
        return len(node.value)
    if node.value is None:
        return sum(child.type == "element" for child in node.children)
    return 0
