"""Mutants in which one field has another value and nothing else is changed: what a model is measured by.

A section is chosen first, all alike, then a field of it; the framing around the sections counts as one more section.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.mutate import values
from fuzz.mutate.fields import mutate_leaf
from fuzz.mutate.index import index_of
from fuzz.mutate.sections import replace_record, sections_at
from vmformat import Section, write

if TYPE_CHECKING:
    from fuzz.mutate.dice import Dice
    from vmformat import Stream

_TRIES: Final = 8


def single_field(stream: Stream, dice: Dice) -> bytes:
    """The stream's bytes with one field changed. Lengths are kept, so a name's length byte lies afterwards."""
    places = sections_at(stream)
    for _ in range(_TRIES):
        choice = dice.below(len(places) + 1)
        if choice == len(places):
            break
        section = stream.records[places[choice]]
        assert isinstance(section, Section)
        index = index_of(section)
        if index is None or not index.patterns:
            continue
        changed = mutate_leaf(section, index.pick(dice.pick(index.patterns), dice), dice)
        return write(replace_record(stream, places[choice], changed))
    return _framing(stream, dice)


def _framing(stream: Stream, dice: Dice) -> bytes:
    """A number of the file header, or of the head or the footer of a record."""
    data = bytearray(write(stream))
    at, size = dice.pick(_numbers(stream, len(data)))
    old = int.from_bytes(data[at : at + size], "big")
    data[at : at + size] = values.integer(dice, old, size).to_bytes(size, "big")
    return bytes(data)


def _numbers(stream: Stream, length: int) -> list[tuple[int, int]]:
    """(offset, bytes) of every number of the framing."""
    found = [(0, 4), (4, 4)]
    at = len(stream.header.to_bytes())
    if stream.configuration is not None:
        found += [(at, 1), (at + 1, 4)]
        at += len(stream.configuration.to_bytes())
    for record in stream.records:
        size = len(record.to_bytes())
        found.append((at, 1))
        if isinstance(record, Section):
            found.append((at + 1, 4))
            if record.kind.name in {"START", "FULL"}:
                behind = at + 6 + len(record.name)
                found += [(at + 5, 1), (behind, 4), (behind + 4, 4)]
            if record.footer is not None:
                found += [(at + size - 5, 1), (at + size - 4, 4)]
        at += size
    return [(offset, size) for offset, size in found if offset + size <= length]
