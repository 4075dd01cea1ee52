"""Trials of the framing: a section as a whole sent otherwise than a program sends it.

A loader compares each number of a section's head with something, and what is wrong with a comparison shows at values
far away as much as at the next one: a sign, the upper half, all ones, which name everybody here and nobody there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fuzz.mutate.index import with_payload
from fuzz.mutate.sections import kind_of
from model.devices.handler import LEGACY_INSTANCES
from vmformat import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmformat import Section

_SIGN: Final = 1 << 31
_UPPER: Final = 1 << 16
_ANY: Final = 0xFFFFFFFF
"""The instance that most handlers take for theirs."""


def _numbered(one: Section, number: int) -> Section:
    """The section under another number, in its footer as well."""
    return replace(one, section_id=number, footer=None if one.footer is None else number)


def _by_old_number(one: Section) -> Section | None:
    """Under the number that its device had before all numbers were given out in turn, if it has such a one."""
    number = LEGACY_INSTANCES.get((one.name, one.instance))
    return None if number is None else replace(one, instance=number)


FRAMING: Final[tuple[tuple[int, str, Callable[[Section], Section | tuple[Section, ...] | None], float], ...]] = (
    # the round; the name; what is done; how likely it is refused
    (1, "twice", lambda one: (one, one), 0.3),
    (3, "instance+1", lambda one: replace(one, instance=one.instance + 1 & _ANY), 0.7),
    (2, "version+1", lambda one: replace(one, version=one.version + 1 & _ANY), 0.8),
    (1, "again", lambda one: (one, replace(one, kind=Kind.END)), 0.3),
    (2, "left out", lambda _: (), 0.1),
    (3, "version-1", lambda one: replace(one, version=max(0, one.version - 1)), 0.5),
    (5, "footer", lambda one: replace(one, footer=one.section_id + 1 & _ANY), 0.8),
    (3, "version below zero", lambda one: replace(one, version=one.version | _SIGN), 0.9),
    (4, "start", lambda one: replace(one, kind=Kind.START), 0.1),
    (4, "no footer", lambda one: replace(one, footer=None), 0.8),
    (4, "any instance", lambda one: replace(one, instance=_ANY), 0.5),
    (5, "cut", lambda one: with_payload(one, one.payload[:-1]), 0.8),
    (5, "far instance", lambda one: replace(one, instance=one.instance ^ _UPPER), 0.9),
    (5, "short name", lambda one: replace(one, name=one.name[:-1]), 0.9),
    (6, "longer", lambda one: with_payload(one, one.payload + b"\0"), 0.8),
    (6, "far footer", lambda one: replace(one, footer=one.section_id ^ _UPPER), 0.9),
    (6, "high number", lambda one: _numbered(one, one.section_id | _SIGN), 0.1),
    (7, "old instance", _by_old_number, 0.1),
    (7, "version 0", lambda one: replace(one, version=0), 0.7),
    (7, "part", lambda one: (one, replace(one, kind=Kind.PART)), 0.3),
    (8, "long name", lambda one: replace(one, name=f"{one.name}x"), 0.9),
    (9, "again without footer", lambda one: (one, replace(one, kind=Kind.END, footer=None)), 0.8),
    (9, "version wide", lambda one: replace(one, version=one.version | _UPPER), 0.8),
    (9, "name ended", lambda one: replace(one, name=f"{one.name}\0a"), 0.4),
    (9, "footer low", lambda one: replace(one, footer=one.section_id ^ 0x100), 0.8),
    (9, "again with another footer", lambda one: (one, replace(one, kind=Kind.END, footer=one.section_id + 1)), 0.8),
    (9, "name without path", lambda one: replace(one, name=kind_of(one)) if "/" in one.name else None, 0.4),
    (9, "number 0", lambda one: _numbered(one, 0) if one.section_id else None, 0.1),
    (9, "name without path, another", lambda one: replace(one, name=kind_of(one), instance=one.instance + 1), 0.8),
    (9, "instance below zero", lambda one: replace(one, instance=one.instance | _SIGN), 0.8),
    (9, "name in capitals", lambda one: replace(one, name=one.name.swapcase()), 0.8),
    (9, "ended twice", lambda one: (one, replace(one, kind=Kind.END), replace(one, kind=Kind.PART)), 0.3),
    (9, "footer 0", lambda one: replace(one, footer=0 if one.section_id else _ANY), 0.8),
    (9, "path alone", lambda one: replace(one, name=one.name.rpartition("/")[0] or f"/{one.name}"), 0.8),
    (9, "name empty", lambda one: replace(one, name=""), 0.8),
    (9, "part of number 0", lambda one: (one, replace(one, kind=Kind.PART, section_id=0, footer=0)), 0.8),
    (9, "twice with another footer", lambda one: (one, replace(one, footer=one.section_id + 1 & _ANY)), 0.8),
    (9, "twice of another version", lambda one: (one, replace(one, version=one.version + 1 & _ANY)), 0.8),
)
"""In the order in which they are tried on the first kind of section."""
