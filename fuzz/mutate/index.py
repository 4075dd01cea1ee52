"""Where the values of a section stand, by pattern: the path without the numbers in it.

A virtio section has some ten thousand values, nearly all of them in arrays of 1024 queues; it has a hundred patterns.
Sections that differ in values only have the same patterns, so what is worked out of these (which match an expression,
what each means) is kept with the tuple of patterns, a `Shape`, of which a machine has a few dozen.

To decode a payload costs a thousand times what a mutation does. So the index goes along when bytes are altered in
place (`altered`). Where an altered count moves what follows, an index that went along is one of the payload before it:
what is written by it lands in other fields, which is a mutation too. `forget` where that is not wanted.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from vmformat import Section, StreamError
from vmformat.framing import FOOTER_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fuzz.mutate.dice import Dice
    from vmformat import Leaf

_NUMBER: Final = re.compile(r"\[\d+\]")
_KEPT: Final = "_mutator_index"
WIRE: Final = "_mutator_bytes"
"""Under this name a section's bytes are kept with it (`familiar`)."""
_MOVERS: Final = re.compile(
    r"@(length|end|version)$|config_len$|queues\.num$|\.header_type$|capability_pointer$|\.next$"
)
"""Patterns of values that say where others stand, beside those that a schema counts by."""
INTEGERS: Final = frozenset({1, 2, 4, 8})
"""Bytes of a value that is taken for an integer."""


class Shape:
    """The patterns of a section, in wire order."""

    __slots__ = ("_found", "facts", "patterns")

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self.patterns = patterns
        self._found: dict[re.Pattern[str], tuple[str, ...]] = {}
        self.facts: dict[str, Any] = {}
        """What else is known of these patterns; whoever works something out puts it here under a name of its own."""

    def find(self, expression: re.Pattern[str]) -> tuple[str, ...]:
        """The patterns that match somewhere."""
        found = self._found.get(expression)
        if found is None:
            found = tuple(pattern for pattern in self.patterns if expression.search(pattern))
            self._found[expression] = found
        return found


_SHAPES: Final[dict[tuple[str, ...], Shape]] = {}
_MOST_SHAPES: Final = 4096


def _shape(patterns: tuple[str, ...]) -> Shape:
    known = _SHAPES.get(patterns)
    if known is None:
        if len(_SHAPES) >= _MOST_SHAPES:
            _SHAPES.clear()
        known = _SHAPES[patterns] = Shape(patterns)
    return known


class Index:
    """The leaves of one payload by pattern."""

    __slots__ = ("facts", "places", "shape")

    def __init__(self, places: dict[str, list[Leaf]]) -> None:
        self.places = places
        self.facts: dict[str, Any] = {}
        """As of a `Shape`: what else is known of these places."""
        self.shape = _shape(tuple(places))

    @property
    def patterns(self) -> tuple[str, ...]:
        """All patterns, in wire order."""
        return self.shape.patterns

    def find(self, expression: re.Pattern[str]) -> list[Leaf]:
        """All leaves whose pattern matches, arrays as one leaf."""
        return [leaf for pattern in self.shape.find(expression) for leaf in self.places[pattern]]

    def count(self, pattern: str) -> int:
        """How many values a pattern has."""
        return sum(leaf.count for leaf in self.places[pattern])

    def value(self, pattern: str, number: int) -> Leaf | None:
        """Value `number` of a pattern, counted through its arrays; None when there are not as many."""
        for leaf in self.places.get(pattern, ()):
            if number < leaf.count:
                return leaf.element(number)
            number -= leaf.count
        return None

    def nth(self, expression: re.Pattern[str], number: int) -> Leaf | None:
        """Value `number` of all that match, counted through arrays; None when there are not as many."""
        for leaf in self.find(expression):
            if number < leaf.count:
                return leaf.element(number)
            number -= leaf.count
        return None

    def pick(self, pattern: str, dice: Dice) -> Leaf:
        """One value of this pattern, an early one likelier."""
        leaves = self.places[pattern]
        leaf = leaves[dice.low(len(leaves))] if len(leaves) > 1 else leaves[0]
        return leaf.element(dice.low(leaf.count)) if leaf.count > 1 else leaf


def index_of(section: Section) -> Index | None:
    """The section's leaves by pattern; None when it has no schema or does not decode."""
    inside = section.__dict__
    if _KEPT not in inside:
        inside[_KEPT] = _new_index(section)
    kept: Index | None = inside[_KEPT]
    return kept


def _new_index(section: Section) -> Index | None:
    if section.schema is None or section.name == "ram":
        return None
    try:
        leaves = section.leaves
    except StreamError:
        return None
    places: dict[str, list[Leaf]] = {}
    for leaf in leaves:
        if leaf.size:
            places.setdefault(pattern_of(leaf.path), []).append(leaf)
    return Index(places)


def pattern_of(path: str) -> str:
    """A leaf's path without numbers."""
    return _NUMBER.sub("[]", path) if "[" in path else path


@lru_cache(maxsize=1 << 16)
def moves_others(pattern: str) -> bool:
    """Whether a value of this pattern says where others stand."""
    return _MOVERS.search(pattern) is not None


def with_payload(section: Section, payload: bytes) -> Section:
    """The section with another payload, of which nothing is known yet."""
    copy = section.replace_payload(payload)
    wire: bytes | None = section.__dict__.get(WIRE)
    if wire is not None:  # what stands around the payload is as it was
        foot = len(wire) - (0 if section.footer is None else FOOTER_SIZE)
        copy.__dict__[WIRE] = b"".join((wire[: foot - len(section.buffer)], payload, wire[foot:]))
    return copy


def altered(section: Section, offset: int, data: bytes) -> Section:
    """The section with `data` over its payload at `offset`, where it has room; its index goes along."""
    return altered_by(section, ((offset, data),))


def altered_by(section: Section, edits: Iterable[tuple[int, bytes]]) -> Section:
    """The same with several data over it, each at its offset, in this order."""
    payload = section.payload
    for offset, data in edits:
        end = offset + len(data)
        if offset < 0 or end > len(payload):
            raise StreamError(offset, section.name, f"a place within {len(payload)} bytes", f"{len(data)} bytes")
        payload = b"".join((payload[:offset], data, payload[end:]))
    copy = with_payload(section, payload)
    kept = section.__dict__.get(_KEPT)
    if kept is not None:
        copy.__dict__[_KEPT] = kept
    return copy


def borrow(section: Section, like: Section) -> None:
    """Let a section whose index nobody has asked for have that of one that is like it: of its kind, and as long."""
    section.__dict__.setdefault(_KEPT, index_of(like))


def forget(section: Section) -> Section:
    """The same section, its index worked out of its own payload when somebody asks."""
    section.__dict__.pop(_KEPT, None)
    return section


def read_leaf(section: Section, leaf: Leaf) -> int:
    """An integer leaf's value, unsigned."""
    raw = section.buffer[leaf.offset : leaf.offset + leaf.size]
    return int.from_bytes(bytes(raw), "little" if leaf.byteorder == "little" else "big")


def write_leaf(section: Section, leaf: Leaf, value: int) -> Section:
    """The section with another value in an integer leaf (modulo its size)."""
    value &= (1 << 8 * leaf.size) - 1
    raw = value.to_bytes(leaf.size, "little" if leaf.byteorder == "little" else "big")
    return altered(section, leaf.offset, raw)
