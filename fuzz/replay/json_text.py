"""Values inside the text of a JSON object replaced or added, while every other character stays what it was."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPACE: Final = re.compile(r"[ \t\r\n\ufeff]*")
_DECODER: Final = json.JSONDecoder()
_STEP: Final = re.compile(r"\n([ \t]+)\S")


@dataclass(frozen=True, slots=True)
class _Member:
    """Where a member of an object begins, and where its value begins and ends."""

    at: int
    begin: int
    end: int


def put(text: str, path: Sequence[str], value: object) -> str:
    """The text of an object with `value` under the path of keys; those on the way must be there, and be objects.

    Of a key that is written twice it is the last that counts, as for whoever reads JSON. Raises KeyError.
    """
    at = _space(text, 0)
    for key in path[:-1]:
        at = _members(text, at)[key].begin
    members = _members(text, at)
    known = members.get(path[-1])
    if known is not None:
        written = _dumped(text, value, None if _in_line(text, at, known.end) else _line_indent(text, known.at))
        return text[: known.begin] + written + text[known.end :]
    return _added(text, at, members, path[-1], value, len(path) - 1)


def _added(text: str, at: int, members: dict[str, _Member], key: str, value: object, depth: int) -> str:
    """With a new member behind the others of the object that begins at `at`."""
    if members:
        last = max(members.values(), key=lambda one: one.end)
        if _in_line(text, at, last.end):
            return f"{text[: last.end]}, {json.dumps(key)}: {_dumped(text, value, None)}{text[last.end :]}"
        own = _line_indent(text, last.at)
        return f"{text[: last.end]},\n{own}{json.dumps(key)}: {_dumped(text, value, own)}{text[last.end :]}"
    end = _space(text, at + 1)
    if _in_line(text, 0, len(text.rstrip())):
        return f"{text[: at + 1]}{json.dumps(key)}: {_dumped(text, value, None)}{text[end:]}"
    outer = _step(text) * depth
    own = outer + _step(text)
    return f"{text[: at + 1]}\n{own}{json.dumps(key)}: {_dumped(text, value, own)}\n{outer}{text[end:]}"


def _members(text: str, at: int) -> dict[str, _Member]:
    """The members of the object that begins at `at`, the last of each name. Raises KeyError if it is no object."""
    if text[at : at + 1] != "{":
        raise KeyError(text[at : at + 20])
    found: dict[str, _Member] = {}
    at = _space(text, at + 1)
    while text[at] != "}":
        if text[at] == ",":
            at = _space(text, at + 1)
        begin = at
        key, at = _DECODER.raw_decode(text, at)
        value = _space(text, _space(text, at) + 1)
        _, end = _DECODER.raw_decode(text, value)
        found[key] = _Member(begin, value, end)
        at = _space(text, end)
    return found


def _space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match is not None else at


def _step(text: str) -> str:
    """By how much the text is indented at its first level; two blanks where it is all in one line."""
    match = _STEP.search(text)
    return match[1] if match is not None else "  "


def _line_indent(text: str, at: int) -> str:
    """The blanks at the beginning of the line in which something is."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _in_line(text: str, begin: int, end: int) -> bool:
    return "\n" not in text[begin:end]


def _dumped(text: str, value: Any, own: str | None) -> str:
    """A value as its neighbours are written: over lines, behind the indentation of its member, or all in one (None)."""
    return json.dumps(value) if own is None else json.dumps(value, indent=_step(text)).replace("\n", f"\n{own}")
