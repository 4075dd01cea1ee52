"""What a field is for, told by its name and type: what decides which values are worth trying in it.

Names of QEMU's fields are not arbitrary: what counts is called `num`, `count` or `len`, what points into an array
`idx`, `ptr` or `sel`. A wrong guess costs a few executions.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from fuzz.mutate.index import INTEGERS

if TYPE_CHECKING:
    from fuzz.mutate.index import Index
    from vmformat import Leaf

Meaning = Literal[
    "count", "index", "address", "vector", "flags", "switch", "register", "version", "end", "time", "number", "bytes"
]

ORDER: Final[tuple[Meaning, ...]] = (
    "count", "index", "address", "flags", "register", "vector", "switch", "number", "end", "version", "bytes", "time"
)  # fmt: skip
"""Meanings, the most promising first: loaders went wrong with counts and indices more often than with others."""

_CONFIG: Final = re.compile(r"(^|\.)config\[\]\.")
_NAMES: Final[tuple[tuple[Meaning, str], ...]] = (
    ("version", r"@version$|version_id"),
    ("end", r"@end$"),
    ("time", r"time(?!r)|clock|ticks|expiry|tsc|period|deadline"),
    ("vector", r"vector|(^|_)(irq|isr|irr|tmr|lvt|msi|gsi|inject)|intr"),
    ("flags", r"features"),
    ("address", r"addr|base(?!_rtc)|desc$|avail$|used$|paddr|vaddr|_hi$|_lo$|smbba|pmba|rcba"),
    (
        "index",
        r"idx|ptr|index|sel(ect|ector)?$|_pos|pos$|head|tail|cur_|offset|unit|stream|write_cmd|acpi_index|lun",
    ),
    ("count", r"num|count|len|size|nb_|nirq|n_|in_use|max|limit|retry|level|sectors|entries|total|free|left"),
    ("flags", r"flags|status|control|mask|cap|cnt$|sts$|(^|_)en$|mode|isr|cmd|ctl|config|state|enable"),
)
_IN_SUBSECTION: Final = re.compile(r"^.*/[^.]*\.")
_VECTORS: Final = re.compile(r"msix\[\]\.control$")
_TESTS: Final = tuple((meaning, re.compile(expression)) for meaning, expression in _NAMES)


@lru_cache(maxsize=1 << 16)
def meaning_of(pattern: str, type_: str, size: int) -> Meaning:
    """What values of a pattern are for; `type_` and `size` are those of its leaves."""
    if size not in INTEGERS or type_ in {"buffer", "unused_buffer", "bitmap"}:
        return "bytes"
    if _CONFIG.search(pattern):
        return "register"
    if type_ == "bool":
        return "switch"
    if type_ == "timer":
        return "time"
    name = pattern.rpartition(".")[2].removesuffix("[]")
    for meaning, test in _TESTS:
        if test.search(name):
            return meaning
    return "switch" if size == 1 and type_ == "uint8" else "number"


def means(index: Index) -> dict[Meaning, tuple[str, ...]]:
    """The patterns of an index by what they mean."""
    facts = index.shape.facts
    known: dict[Meaning, tuple[str, ...]] | None = facts.get("means")
    if known is None:
        found: dict[Meaning, list[str]] = {}
        for pattern in index.patterns:
            found.setdefault(leaf_meaning(index.places[pattern][0], pattern), []).append(pattern)
        known = facts["means"] = {meaning: tuple(patterns) for meaning, patterns in found.items()}
    return known


def leaf_meaning(leaf: Leaf, pattern: str) -> Meaning:
    """What the values of a leaf are for."""
    return meaning_of(pattern, leaf.type, leaf.size)


def capacities(index: Index) -> dict[str, tuple[int, ...]]:
    """By pattern of a count or index: lengths of the arrays and buffers beside it, in values, longest first.

    Of a vector: the entries of the section's table of vectors, wherever that is.
    """
    facts = index.facts  # not of the shape: arrays of the same patterns have other lengths elsewhere
    known: dict[str, tuple[int, ...]] | None = facts.get("capacities")
    if known is None:
        beside: dict[str, set[int]] = {}
        for pattern, leaves in index.places.items():
            leaf = leaves[0]
            length = leaf.size if leaf.size not in INTEGERS else index.count(pattern)
            if length > 1:
                parent = _parent(pattern)
                beside.setdefault(parent, set()).add(length)
                if pattern.endswith("[]") is False and "[]" in pattern:  # a struct in an array: beside the array too
                    beside.setdefault(_parent(pattern[: pattern.rindex("[]")]), set()).add(length)
        known = {}
        for meaning in ("count", "index"):
            for pattern in means(index).get(meaning, ()):
                near = beside.get(_parent(pattern), set()) or beside.get(_parent(_parent(pattern)), set())
                if not near and "/" in pattern:  # a subsection says more of a struct that is before it
                    near = beside.get(_parent(_IN_SUBSECTION.sub("", pattern)), set())
                known[pattern] = tuple(sorted(near, reverse=True))
        tables = {index.count(pattern) for pattern in index.shape.find(_VECTORS)}
        for pattern in means(index).get("vector", ()) if tables else ():
            known[pattern] = tuple(sorted(tables, reverse=True))
        facts["capacities"] = known
    return known


def _parent(pattern: str) -> str:
    return pattern.rpartition(".")[0]
