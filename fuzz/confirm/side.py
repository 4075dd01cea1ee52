"""One side of a comparison, the model or a real program, and how two of them differ.

A `Side` holds what both can tell of a load in one form. `compare` gives a line for each disagreement, with both sides
in it, in a category; a category that cannot be compared (views of a load that failed, say) is left out, not counted as
agreement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from model.memory.mtree import Layout

    Fields: TypeAlias = Mapping[str, object]
    """The leaves of a section by path: integers and bytes, `ABSENT`, or `UNKNOWN`."""

    _Row: TypeAlias = tuple[int, int, int, str, str, int]
    _View: TypeAlias = tuple[str, str, str | None, tuple[_Row, ...]]


class Category(StrEnum):
    """What is compared, in the order in which it is told."""

    VERDICT = "verdict"
    SECTION = "section"
    MESSAGES = "messages"
    REBUILDS = "rebuilds"
    VIEWS = "flat views"
    QUEUES = "virtio queues"
    STATE = "saved state"


class _Mark:
    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


ABSENT: Final = _Mark("absent")
"""A field that is not in the section."""

UNKNOWN: Final = _Mark("unknown")
"""A field of which a side does not say what it holds: never a disagreement."""


@dataclass(frozen=True, slots=True)
class VirtioSide:
    """A virtio device: whether it is broken and started, and (last, shadow, used, inuse) by queue.

    `complete`: a queue that is not listed is at rest; otherwise nothing is said of it.
    """

    broken: bool
    started: bool
    queues: Mapping[int, tuple[int, int, int, int]]
    complete: bool = False

    def queue(self, index: int) -> tuple[int, int, int, int] | None:
        """The indices of a queue; None where nothing is said of it."""
        return self.queues.get(index, (0, 0, 0, 0) if self.complete else None)


@dataclass(frozen=True, slots=True)
class Side:
    """What one side says of a load. None: it does not say.

    `section` is where a load that failed fell, "" outside of any; `cut_off`: the stream ended there, so that what the
    program found in a buffer is whatever was in its memory. `views` is what `model.memory.layout` makes of `info
    mtree -f`, `virtio` is by section name, `saved` the state that would be saved again, by section and instance.
    """

    name: str
    verdict: str
    how: str = ""
    section: str | None = None
    cut_off: bool = False
    messages: tuple[str, ...] = ()
    rebuilds: int = 0
    views: Layout | None = None
    virtio: Mapping[str, VirtioSide] | None = None
    saved: Mapping[tuple[str, int], Fields] | None = None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What two sides say differently: one line with both. `section`: of the device that it is about, "" for none."""

    category: Category
    text: str
    section: str = ""

    def __str__(self) -> str:
        return f"{self.category.value}: {self.text}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides held against each other: what was compared, and where they disagree."""

    one: Side
    other: Side
    compared: tuple[Category, ...]
    disagreements: tuple[Disagreement, ...] = field(default=())

    def agrees(self, category: Category) -> bool:
        """Whether a category that was compared is the same on both sides."""
        return all(found.category is not category for found in self.disagreements)


def compare(one: Side, other: Side) -> Comparison:
    """Hold two sides against each other. After different verdicts nothing else is compared."""
    found: list[Disagreement] = []
    compared: list[Category] = []

    def tell(category: Category, left: object, right: object) -> None:
        compared.append(category)
        if left != right:
            where = other.section or one.section or ""
            found.append(Disagreement(category, f"{one.name} {left}, {other.name} {right}", where))

    def list_all(category: Category, lines: Iterator[tuple[str, str]]) -> None:
        compared.append(category)
        found.extend(Disagreement(category, f"{where}: {line}" if where else line, where) for where, line in lines)

    tell(Category.VERDICT, _verdict(one), _verdict(other))
    if one.verdict == other.verdict and found:
        found.clear()  # how a program dies is told, but an assertion and a signal are both `aborted`
    if not found and one.verdict in {"refused", "aborted"} and one.section is not None and other.section is not None:
        tell(Category.SECTION, one.section or "outside of any", other.section or "outside of any")
    if not found and one.verdict in {"accepted", "refused"}:
        left, right = said(one.messages), said(other.messages)
        if one.cut_off or other.cut_off:
            left, right = (tuple(_GARBAGE.sub(r"\1", line) for line in lines) for lines in (left, right))
        if left != right:
            left, right = _first_difference(left, right)
        tell(Category.MESSAGES, left, right)
        tell(Category.REBUILDS, one.rebuilds, other.rebuilds)
    if one.verdict == other.verdict == "accepted":
        if one.views is not None and other.views is not None:
            list_all(Category.VIEWS, _views(one, other))
        if one.virtio is not None and other.virtio is not None:
            list_all(Category.QUEUES, _virtio(one, other))
        if one.saved is not None and other.saved is not None:
            list_all(Category.STATE, _saved(one, other))
    return Comparison(one, other, tuple(compared), tuple(found))


_GARBAGE: Final = re.compile(r"(Bad config data): i=.*")


_PLACE: Final = re.compile(r"^(GLib: )?\S*\.c:\d+: ")
_MADE_UP: Final = re.compile(r"(Unaligned start address): 0x[0-9a-f]+$")


def said(messages: tuple[str, ...]) -> tuple[str, ...]:
    """Messages without places in the program's source, which are not ours to know, and without what memory it read."""
    told = (_PLACE.sub("", line) for line in messages)
    return tuple(_MADE_UP.sub(r"\1", line) for line in told)


def _verdict(side: Side) -> str:
    return f"{side.verdict} ({side.how})" if side.how and side.verdict != "accepted" else side.verdict


def _first_difference(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is left of both when lines that are the same at the beginning and the end are taken away."""
    start = 0
    while start < min(len(left), len(right)) and left[start] == right[start]:
        start += 1
    left, right = left[start:], right[start:]
    while left and right and left[-1] == right[-1]:
        left, right = left[:-1], right[:-1]
    return left, right


def _views(one: Side, other: Side) -> Iterator[tuple[str, str]]:
    """For each address space that differs the first range that does."""
    assert one.views is not None
    assert other.views is not None
    left, right = one.views - other.views, other.views - one.views
    names = sorted({str(key[0]) for key in (*left, *right)})
    for name in names:
        mine = sorted((key for key in left if key[0] == name), key=str)
        theirs = sorted((key for key in right if key[0] == name), key=str)
        if len(mine) != len(theirs):
            counts = tuple(sum(n for key, n in views.items() if key[0] == name) for views in (one.views, other.views))
            if counts[0] != counts[1]:
                yield "", f"{name}: {one.name} {counts[0]} address spaces of that name, {other.name} {counts[1]}"
                continue
        for ours, its in zip(mine, theirs, strict=False):
            yield "", f"{name}: {_range_difference(one.name, ours, other.name, its)}"


def _range_difference(one: str, left: _View, other: str, right: _View) -> str:
    for index, what in ((1, "root"), (2, "resolved root")):
        if left[index] != right[index] and left[3] == right[3]:
            return f"{one} {what} {left[index]}, {other} {right[index]}"
    ours, its = left[3], right[3]
    for mine in ours:
        if mine not in its:
            start = mine[0]
            theirs = next((row for row in its if row[0] <= start <= row[1]), None)
            return f"at {start:#x} {one} {_range(mine)}, {other} {_range(theirs)}"
    for theirs in its:
        if theirs not in ours:
            return f"at {theirs[0]:#x} {one} {_range(None)}, {other} {_range(theirs)}"
    return f"{one} {len(ours)} ranges, {other} {len(its)}"


def _range(row: _Row | None) -> str:
    if row is None:
        return "nothing"
    start, end, priority, kind, name, offset = row
    at = f" @{offset:#x}" if offset else ""
    return f"{name}{at} ({kind}, prio {priority}, {start:#x}-{end:#x})"


def _virtio(one: Side, other: Side) -> Iterator[tuple[str, str]]:
    assert one.virtio is not None
    assert other.virtio is not None
    for section in sorted({*one.virtio, *other.virtio}):
        left, right = one.virtio.get(section), other.virtio.get(section)
        if left is None or right is None:
            told = tuple("no such device" if side is None else "a device" for side in (left, right))
            yield section, f"{one.name} {told[0]}, {other.name} {told[1]}"
            continue
        for what, mine, theirs in (("broken", left.broken, right.broken), ("started", left.started, right.started)):
            if mine != theirs:
                yield section, f"{what}: {one.name} {mine}, {other.name} {theirs}"
        for queue in sorted({*left.queues, *right.queues}):
            ours, its = left.queue(queue), right.queue(queue)
            if ours is None or its is None or ours == its:
                continue
            names = ("last_avail", "shadow_avail", "used", "inuse")
            different = [triple for triple in zip(names, ours, its, strict=True) if triple[1] != triple[2]]
            mine_text = " ".join(f"{name} {value}" for name, value, _ in different)
            theirs_text = " ".join(f"{name} {value}" for name, _, value in different)
            yield section, f"queue {queue}: {one.name} {mine_text}, {other.name} {theirs_text}"


def _saved(one: Side, other: Side) -> Iterator[tuple[str, str]]:
    assert one.saved is not None
    assert other.saved is not None
    for key in sorted({*one.saved} & {*other.saved}):
        left, right = one.saved[key], other.saved[key]
        name = key[0] if not key[1] else f"{key[0]}/{key[1]}"
        groups: dict[str, list[tuple[str, object, object]]] = {}
        pairs = [(path, mine, theirs) for path, mine in left.items() if mine != (theirs := right.get(path, ABSENT))]
        pairs += [(path, ABSENT, theirs) for path, theirs in right.items() if path not in left and theirs is not ABSENT]
        for path, mine, theirs in pairs:
            if mine is not UNKNOWN and theirs is not UNKNOWN:
                groups.setdefault(_ELEMENT.sub("[]", path), []).append((path, mine, theirs))
        for found in groups.values():
            path, mine, theirs = found[0]
            shown, shown_other = _shown(mine, theirs)
            more = f" (and {len(found) - 1} more of this array)" if len(found) > 1 else ""
            yield name, f"{path}: {one.name} {shown}, {other.name} {shown_other}{more}"


_ELEMENT: Final = re.compile(r"\[\d+\]")


def _shown(left: object, right: object) -> tuple[str, str]:
    if isinstance(left, bytes) and isinstance(right, bytes) and len(left) == len(right):
        at = next(index for index in range(len(left)) if left[index] != right[index])
        return f"{left[at : at + 8].hex()} at byte {at:#x}", right[at : at + 8].hex()
    return _value(left), _value(right)


def _value(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex() if len(value) <= 16 else f"{value[:16].hex()}... ({len(value)} bytes)"
    return f"{value:#x}" if isinstance(value, int) and abs(value) > 9 else str(value)
