"""How an outcome differs from what is expected, by key, and as lines that one reads at a glance.

An expectation tells of the keys it has, and of no others. What holds an object, as `harmful_reads` does, differs by its
keys; what holds a list, as `causes` does, differs by what is gone and what is new, in whatever order it was written.

                                expected  found
      verdict                   accepted  aborted
      harmful_reads
        virtio_blk_handle_vq    3         (absent)
      causes
        - wrap-main/layout/flat-view/rom->ram/memory
        + wrap-main/verdict/loader/accepted->aborted/virtio-blk
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_LONGEST: Final = 72
"""Characters of a value that are shown."""
_INDENT: Final = "  "


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Final = _Absent()
"""Stands where there is no value at all; null is a value."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A key of an expectation under which the outcome has something else, or of an object there `part`."""

    key: str
    expected: Any
    found: Any
    part: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For programs: what is absent has no key."""
        values = {"key": self.key, "part": self.part, "expected": self.expected, "found": self.found}
        return {
            name: value for name, value in values.items() if value is not ABSENT and (name, value) != ("part", None)
        }


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[Difference, ...]:
    """All that came out otherwise, in the order of the expectation."""
    return tuple(one for key, value in expected.items() for one in _under(key, value, found.get(key, ABSENT)))


def keys(of: Iterable[Difference]) -> tuple[str, ...]:
    """The keys that differ, each once."""
    return tuple(dict.fromkeys(one.key for one in of))


def shown(name: str) -> str:
    """A name out of a file, safe on a terminal and in one line."""
    return name if name and name.isprintable() else ascii(name)


def lines(of: Sequence[Difference]) -> list[str]:
    """The differences as text, a table of what was expected and found, each list with what is gone and new."""
    rows = [*_rows(of)]
    cells = [row for row in rows if len(row) > 1]
    if not cells:
        return [row[0] for row in rows]
    cells.insert(0, ("", "expected", "found"))
    name, expected = (max(len(row[column]) for row in cells) for column in (0, 1))
    table = [row if len(row) > 1 else row[0] for row in (cells[0], *rows)]
    return [row if isinstance(row, str) else f"{row[0]:<{name}}  {row[1]:<{expected}}  {row[2]}" for row in table]


def _under(key: str, expected: object, found: object) -> Iterator[Difference]:
    if isinstance(expected, dict) and isinstance(found, dict):
        for part in dict.fromkeys((*expected, *found)):
            old, new = expected.get(part, ABSENT), found.get(part, ABSENT)
            if not _same(old, new):
                yield Difference(key, old, new, part)
    elif isinstance(expected, list) and isinstance(found, list):
        if any(_changes(expected, found)):
            yield Difference(key, expected, found)
    elif not _same(expected, found):
        yield Difference(key, expected, found)


def _same(one: object, other: object) -> bool:
    """As JSON has it: true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _changes(expected: list[Any], found: list[Any]) -> tuple[list[str], list[str]]:
    """What of a list is gone, and what is new, as text; in their order."""
    old, new = ([json.dumps(one, sort_keys=True) for one in values] for values in (expected, found))
    gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
    return [_text(json.loads(one)) for one in gone.elements()], [_text(json.loads(one)) for one in come.elements()]


def _rows(of: Sequence[Difference]) -> Iterator[tuple[str, ...]]:
    """Cells of a line of the table, or one of a line that stands for itself."""
    under = ""
    for one in of:
        key = f"{_INDENT}{shown(one.key)}"
        if isinstance(one.expected, list) and isinstance(one.found, list):
            gone, come = _changes(one.expected, one.found)
            yield (key,)
            yield from ((f"{_INDENT * 2}- {text}",) for text in gone)
            yield from ((f"{_INDENT * 2}+ {text}",) for text in come)
            if same := len(one.expected) - len(gone):
                yield (f"{_INDENT * 2}  and {same} as expected",)
            continue
        if one.part is None:
            yield key, _text(one.expected), _text(one.found)
            continue
        if under != one.key:
            yield (key,)
            under = one.key
        yield f"{_INDENT * 2}{shown(one.part)}", _text(one.expected), _text(one.found)


def _text(value: object) -> str:
    """A value in a cell: bare where nothing else could be meant."""
    if value is ABSENT:
        return repr(ABSENT)
    if value is None:
        return "none"
    text = value if isinstance(value, str) and _is_plain(value) else json.dumps(value)
    limit = _LONGEST if not isinstance(value, str) else 4 * _LONGEST
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _is_plain(value: str) -> bool:
    if not value or value != value.strip() or not value.isprintable() or value in {"none", repr(ABSENT)}:
        return False
    try:
        json.loads(value)
    except ValueError:
        return True
    return False
