"""Edits as values, and as somebody types them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from vmformat.text.values import TextError

if TYPE_CHECKING:
    from vmformat.records import Record

Side: TypeAlias = Literal["before", "after"]

_ASSIGNMENT: Final = re.compile(r"(?P<pattern>.+?)(?P<operator>[|&^+-]?=)(?P<value>.*)", re.DOTALL)
_MOVE: Final = re.compile(r"(?P<pattern>.+):(?P<side>before|after):(?P<target>.+)", re.DOTALL)
_SIGNED: Final = re.compile(r"(?P<record>.+?)/(?P<sign>[+-])(?P<field>[^=]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Assign:
    """`PATTERN=VALUE`, also with |=, &=, ^=, += and -=: all fields that the pattern finds."""

    pattern: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Add:
    """`RECORD/+SUBSECTION`: subsections that the schema knows and the record has not, all zero."""

    record: str
    field: str


@dataclass(frozen=True, slots=True)
class Remove:
    """`RECORD/-FIELD`: subsections, or elements of arrays and lists."""

    record: str
    field: str


@dataclass(frozen=True, slots=True)
class Drop:
    """All records that the pattern finds."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Each record that the pattern finds comes again, right behind itself."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Move:
    """All records that the pattern finds, in their order, before the first or after the last that `target` finds."""

    pattern: str
    side: Side
    target: str


@dataclass(frozen=True, slots=True)
class Insert:
    """Records of elsewhere, before the first or after the last that `target` finds; no target: before the last EOF.

    `entries`: what a VMDESCRIPTION says of each of them, "" for nothing.
    """

    records: tuple[Record, ...]
    side: Side = "before"
    target: str | None = None
    entries: tuple[str, ...] = ()
    source: str = ""


Edit: TypeAlias = Assign | Add | Remove | Drop | Duplicate | Move | Insert


def parse_edit(text: str) -> Assign | Add | Remove:
    """A change of a field, as it is typed. Raises TextError."""
    signed = _SIGNED.fullmatch(text)
    if signed is not None:
        return (Add if signed["sign"] == "+" else Remove)(signed["record"], signed["field"])
    match = _ASSIGNMENT.fullmatch(text)
    if match is None:
        raise TextError("", 0, "PATTERN=VALUE, RECORD/+SUBSECTION or RECORD/-FIELD", text or "nothing")
    return Assign(match["pattern"].strip(), match["operator"], match["value"].strip())


def parse_move(text: str) -> Move:
    """`PATTERN:before:TARGET` or `PATTERN:after:TARGET`. Raises TextError."""
    match = _MOVE.fullmatch(text)
    if match is None:
        raise TextError("", 0, "PATTERN:before:TARGET or PATTERN:after:TARGET", text or "nothing")
    return Move(match["pattern"], "before" if match["side"] == "before" else "after", match["target"])


def split_target(text: str) -> tuple[str, Side, str | None]:
    """What stands before `:before:TARGET` or `:after:TARGET`, if one of them is there."""
    match = _MOVE.fullmatch(text)
    if match is None:
        return text, "before", None
    return match["pattern"], "before" if match["side"] == "before" else "after", match["target"]
