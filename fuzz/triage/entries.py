"""What a file of states says: an entry for each cause, or for all that differ from it in the design only.

Light to import, since a run and a fuzz target read it before anything else; who writes it is `fuzz.triage.file`.

A file is one of two things, and its first line that is no comment says which: a list of causes, a line each, or TOML:

    [[entry]]
    cause = "wrap-main/flat-view-while-pending/vring/moved/virtio-net"
    state = "known"
    note = "waits for v9"

`cause` and `state` are what an entry must have; `note` is free text. The others (`fields`) are written by
`vmfuzz triage`, and keys that it does not know are left alone. `*` as the design of a cause makes a pattern.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NEW: Final = "new"
KNOWN: Final = "known"
FIXED: Final = "fixed"
BACK: Final = "back again"
STATES: Final = (NEW, BACK, KNOWN, FIXED)
"""In the order in which they are shown: what asks for somebody first."""

ANY_DESIGN: Final = "*"
TABLE: Final = "entry"
TRIAGE_FILE: Final = "triage.toml"
"""Its name in a campaign's folder."""

_LISTED: Final = re.compile(r"(\*|[A-Za-z0-9._+-]+)/")
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class TriageError(Exception):
    """A file of states that cannot be used, in one line: file, line, what was expected, what was found."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of one cause, or by a pattern of many.

    `first_seen`, `fixed` (since when) and `back` (when it was last seen to show) are UTC. `first_execution` is a number
    of the worker that saw it first. `witness` is a path from the file's folder, `size` its bytes.
    """

    cause: str
    state: str = NEW
    note: str = ""
    kind: str = ""
    severity: str = ""
    first_seen: datetime | None = None
    first_execution: int | None = None
    witness: str = ""
    size: int | None = None
    fixed: datetime | None = None
    back: datetime | None = None

    @property
    def is_pattern(self) -> bool:
        """Whether it speaks of causes under any design."""
        return self.cause.startswith(f"{ANY_DESIGN}/")


_TYPES: Final[Mapping[str, tuple[type, str]]] = {
    "cause": (str, "a text"),
    "state": (str, "a text"),
    "note": (str, "a text"),
    "kind": (str, "a text"),
    "severity": (str, "a text"),
    "witness": (str, "a text"),
    "first_execution": (int, "a number that is not negative"),
    "size": (int, "a number that is not negative"),
    "first_seen": (datetime, "a moment with its zone, as 2026-11-26T20:44:15Z"),
    "fixed": (datetime, "a moment with its zone, as 2026-11-26T20:44:15Z"),
    "back": (datetime, "a moment with its zone, as 2026-11-26T20:44:15Z"),
}


def pattern_of(cause: str) -> str:
    """The pattern that a cause falls under."""
    return f"{ANY_DESIGN}/{cause.partition('/')[2]}"


def read_entries(data: bytes, name: str) -> tuple[Entry, ...]:
    """The entries of a file `name` with that content, in its order; those of a plain list are known.

    Raises TriageError.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TriageError(f"{name}:{line}: expected UTF-8, found the byte {data[error.start]:#04x}") from None
    found, line_of = _listed(text, name) if is_list(data) else _tables(text, name)
    seen: set[str] = set()
    for index, entry in enumerate(found):
        if entry.cause in seen:
            message = f"expected one entry for each cause, found a second one of {entry.cause}"
            raise TriageError(f"{name}:{line_of(index)}: {message}")
        seen.add(entry.cause)
    return found


def is_list(data: bytes) -> bool:
    """Whether that is a plain list of causes: its first line that is no comment says so."""
    said = (line.strip() for line in data.decode(errors="replace").splitlines())
    return bool(_LISTED.match(next((line for line in said if line and not line.startswith("#")), "")))


Read: TypeAlias = "tuple[tuple[Entry, ...], Callable[[int], int]]"
"""Entries, and what tells the line of each by its number."""


def _listed(text: str, name: str) -> Read:
    """A cause in each line."""
    found: dict[int, Entry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if cause := line.partition("#")[0].strip():
            if wrong := wrong_with(cause):
                raise TriageError(f"{name}:{number}: expected {wrong}, found {cause!r}")
            found[number] = Entry(cause, KNOWN)
    return tuple(found.values()), [*found].__getitem__


def _tables(text: str, name: str) -> Read:
    """A table for each cause."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TriageError(_syntax(text, name, str(error))) from None
    except RecursionError:
        raise TriageError(f"{name}:1: expected [[{TABLE}]] tables, found values nested too deep") from None
    if other := next((key for key in values if key != TABLE), None):
        raise TriageError(f"{name}:{_line(text, lambda said: other in said)}: expected [[{TABLE}]], found {other!r}")
    tables = values.get(TABLE, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        line = _line(text, lambda said: TABLE in said)
        raise TriageError(f"{name}:{line}: expected [[{TABLE}]] tables, found {tables!r:.60}")
    for index, table in enumerate(tables):
        if wrong := _wrong(table):
            key, message = wrong
            raise TriageError(f"{name}:{_line_of(text, index, key)}: {key}: {message}")
    known = tuple(field.name for field in fields(Entry))
    found = tuple(Entry(**{key: table[key] for key in known if key in table}) for table in tables)
    return found, lambda index: _line_of(text, index, "cause")


def _wrong(table: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first key of an entry that is wrong, and what is wrong with it."""
    for key in ("cause", "state"):
        if key not in table:
            return key, "expected in every entry, found none"
    for key, (type_, expected) in _TYPES.items():
        value = table.get(key, "" if type_ is str else None)
        if value is None:
            continue
        fits = isinstance(value, type_) and not isinstance(value, bool)
        if isinstance(value, int) and value < 0:
            fits = False
        if isinstance(value, datetime) and value.tzinfo is None:
            fits = False
        if not fits:
            return key, f"expected {expected}, found {_shown(value)}"
    if wrong := wrong_with(table["cause"]):
        return "cause", f"expected {wrong}, found {table['cause']!r}"
    if table["state"] not in STATES:
        return "state", f"expected one of {', '.join(STATES)}, found {table['state']!r}"
    return None


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else f"{value!r:.60}"


def wrong_with(text: str) -> str:
    """What was expected instead of a text that is no cause; "" for one that is."""
    parts = text.split("/")
    if len(parts) != 5 or not all(parts):
        return "five parts joined by '/'"
    if "*" in "".join(parts[1:]) or ("*" in parts[0] and parts[0] != ANY_DESIGN):
        return f"{ANY_DESIGN} in a cause only as its whole design"
    return ""


def _syntax(text: str, name: str, said: str) -> str:
    """What `tomllib` says, with the line in front and what stands there behind."""
    lines = text.splitlines() or [""]
    match = _PLACE.search(said)
    number = int(match[1]) if match and match[1] else len(lines)
    message = _PLACE.sub("", said).splitlines()[0]
    there = lines[min(number, len(lines)) - 1].strip()
    return f"{name}:{number}: expected TOML ({message[:1].lower()}{message[1:]}), found {there!r:.80}"


def _line_of(text: str, index: int, key: str) -> int:
    """The line where a table has a key; where the table begins if it has not."""

    def begun(said: Mapping[str, Any]) -> bool:
        return len(said.get(TABLE, ())) > index

    def there(said: Mapping[str, Any]) -> bool:
        return begun(said) and key in said[TABLE][index]

    return _line(text, there if there(tomllib.loads(text)) else begun)


def _line(text: str, holds: Callable[[Mapping[str, Any]], bool]) -> int:
    """The first line through which the text must be read for that to hold; it holds of the whole text.

    What is read of a text only grows with it. Where a value goes over several lines, that is the last one of them.
    """
    lines = text.split("\n")

    def enough(count: int) -> bool:
        for more in range(count, len(lines) + 1):
            try:
                return holds(tomllib.loads("\n".join(lines[:more]) + "\n"))
            except tomllib.TOMLDecodeError:
                continue  # in the middle of a value
        return True

    return bisect_left(range(len(lines) + 1), True, key=enough)
