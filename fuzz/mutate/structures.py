"""The patterns behind loaders that went wrong, each as an arm: those about what there is, how often, in which order.

See `patterns` for those that are about values.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from fuzz.mutate import values
from fuzz.mutate.fields import mutate_leaf
from fuzz.mutate.index import altered, index_of, read_leaf, with_payload, write_leaf
from fuzz.mutate.registers import COMMAND, config_of, get, put
from fuzz.mutate.sections import devices_at, drawn, kind_of, replace_record, sections_at, with_records
from fuzz.mutate.subsections import added, dropped, missing, present, repeated
from vmformat import Count, Kind, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.mutate.dice import Dice
    from fuzz.mutate.index import Index
    from fuzz.mutate.scene import Arm, Scene
    from vmformat import Leaf, Schema, Stream

_MOST: Final = 1200
"""Elements that an array is made to have."""
_LONGEST: Final = 1 << 16
"""Bytes that an array grows by."""
_FEW: Final = 24
_DEEP: Final = 8


def counted(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """Pattern 1, count and array: a count changed and its array with it; now and then one of the two alone."""
    places = devices_at(stream)
    for _ in range(_FEW):
        found = drawn(stream, dice, places)
        if found is None:
            return None
        at, section = found
        index = index_of(section)
        pairs = _pairs(index, section) if index is not None else ()
        if index is None or not pairs:
            continue
        counter, array = dice.pick(pairs)
        made = _recount(section, index, counter, array, dice, scene)
        return None if made is None else replace_record(stream, at, made)
    return None


def _pairs(index: Index, section: Section) -> tuple[tuple[str, str], ...]:
    """Patterns of counts and of the first field of the arrays that they count."""
    facts = index.shape.facts
    known: tuple[tuple[str, str], ...] | None = facts.get("pairs")
    if known is None:
        found: dict[tuple[str, str], None] = {}
        for counter, array in _counts(section.layout) if section.layout is not None else ():
            firsts = [pattern for pattern in index.patterns if _tail(pattern, f"{array}[]") or _tail(pattern, array)]
            counters = [pattern for pattern in index.patterns if _tail(pattern, counter)]
            if firsts and counters:
                found[counters[0], firsts[0]] = None
        known = facts["pairs"] = tuple(found)
    return known


def _tail(pattern: str, name: str) -> bool:
    """Whether a pattern is of the field of that name, or of the first thing in it."""
    head = pattern.split(f"{name}.", maxsplit=1)[0] if f"{name}." in pattern else pattern
    return head.endswith(name) or f".{name}." in f".{pattern}"


@lru_cache(maxsize=1024)
def _counts(schema: Schema) -> tuple[tuple[str, str], ...]:
    """Names of counts and of the arrays that they count, anywhere in a schema."""
    return tuple(dict.fromkeys(_walk(schema, 0)))


def _walk(schema: Schema, depth: int) -> Iterator[tuple[str, str]]:
    for field in schema.fields:
        if isinstance(field.count, Count):
            yield field.count.field, field.name
        if field.struct is not None and depth < _DEEP:
            yield from _walk(field.struct, depth + 1)
    for sub in schema.subsections:
        if depth < _DEEP:
            yield from _walk(sub, depth + 1)


def _recount(section: Section, index: Index, counter: str, array: str, dice: Dice, scene: Scene) -> Section | None:
    number, first = index.places[counter][0], index.places[array][0]
    have, step = read_leaf(section, number), first.stride or first.size
    want = dice.pick((have + 1, have - 1, 2 * have, 0, 1, 16, 17, 64, 65, 256, 1024, 1025, have + dice.low(64)))
    if want < 0 or want == have:
        return None
    payload, end = section.payload, first.offset + first.count * step
    grows = (want - have) * step
    if not dice.chance(6):  # else the count alone
        if want > _MOST or grows > min(_LONGEST, scene.max_size - len(payload)) or end > len(payload):
            return None
        last = payload[end - step : end]
        fits = payload[:end] + last * (want - have) if grows > 0 else payload[: max(first.offset, end + grows)]
        section = with_payload(section, fits + payload[end:])
        if dice.chance(12):  # the array alone
            return section
    return with_payload(section, write_leaf(section, number, want).payload)


def order(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Pattern 8, two loaders and one order: a section goes before one that it follows, both about the same memory.

    Bridges and what is behind them, the chipset and any function, RAM and devices that read it.
    """
    records = list(stream.records)
    wired = [at for at in sections_at(stream) if _is_wired(records[at])]
    if len(wired) < 2:
        return None
    one, other = dice.pick(wired), dice.pick(wired)
    if one == other:
        return None
    if dice.chance(2):
        records[one], records[other] = records[other], records[one]
    else:
        records.insert(other, records.pop(one))
    return with_records(stream, records)


def _is_wired(record: object) -> bool:
    return isinstance(record, Section) and (record.is_ram or config_of(record) is not None)


def derived(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Pattern 9, derived state not rebuilt: a device is loaded, then again with what it derives from changed."""
    places = [at for at in devices_at(stream) if (section := stream.records[at]) and _is_wired(section)]
    found = drawn(stream, dice, places)
    if found is None:
        return None
    at, section = found
    second = section
    index = index_of(section)
    config = config_of(section)
    assert index is not None
    assert config is not None
    if dice.chance(2):
        second = put(second, config, COMMAND, 1, get(second, config, COMMAND, 1) ^ dice.pick((1, 2, 3, 4, 7)))
    for _ in range(dice.few(3)):
        second = mutate_leaf(second, index.pick(dice.pick(index.patterns), dice), dice)
    pair = [section, replace(second, kind=dice.pick((Kind.FULL, Kind.PART, Kind.END)))]
    if pair[1].kind is Kind.FULL and dice.chance(3):
        pair.reverse()
    records = list(stream.records)
    records[at : at + 1] = pair
    if dice.chance(3):
        last = records.pop(at + 1)
        records.insert(min(len(records), at + 1 + dice.low(12)), last)
    return with_records(stream, records)


def storage(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Pattern 10, description and storage disagree: bytes more or less in the middle of a payload, or at its end."""
    found = drawn(stream, dice, devices_at(stream))
    if found is None:
        return None
    at, section = found
    payload = section.payload
    if not payload:
        return None
    cut = len(payload) if dice.chance(2) else dice.below(len(payload) + 1)
    size = dice.pick((1, 1, 2, 4, 8, 16))
    if dice.chance(2):
        return replace_record(stream, at, with_payload(section, payload[:cut] + bytes(size) + payload[cut:]))
    cut = min(cut, max(0, len(payload) - size))
    return replace_record(stream, at, with_payload(section, payload[:cut] + payload[cut + size :]))


def duplicates(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """Pattern 11, one key twice: two sections of one name and instance, or of one number, that say different things."""
    places = devices_at(stream)
    found = drawn(stream, dice, places)
    if found is None:
        return None
    at, section = found
    records = list(stream.records)
    way = dice.below(4)
    if way == 0:  # another device under this one's number
        other = dice.pick(places)
        theirs = records[other]
        assert isinstance(theirs, Section)
        records[other] = replace(theirs, section_id=section.section_id, footer=section.section_id)
        return with_records(stream, records)
    if way == 1:  # the same payload under another instance, or another device's name
        other = dice.pick(places)
        theirs = records[other]
        assert isinstance(theirs, Section)
        if kind_of(theirs) == kind_of(section) and other != at:
            records[at] = replace(section, name=theirs.name, instance=theirs.instance)
            return with_records(stream, records)
    index = index_of(section)
    second = section
    if index is not None and index.patterns:
        for _ in range(dice.few(3)):
            second = mutate_leaf(second, index.pick(dice.pick(index.patterns), dice), dice)
    donors = [one for donor in scene.donors if (one := donor.section(section.name, section.instance)) is not None]
    if donors and dice.chance(3):
        second = dice.pick(donors)
    records.insert(at + dice.below(2), second)
    return with_records(stream, records)


def nested(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Pattern 12, optional parts: a subsection that is missing added, one left out, sent twice, or made up."""
    places = devices_at(stream)
    for _ in range(_FEW):
        found = drawn(stream, dice, places)
        if found is None:
            return None
        at, section = found
        made = _optional(section, dice)
        if made is not None:
            return replace_record(stream, at, made)
    return None


def _optional(section: Section, dice: Dice) -> Section | None:
    way = dice.below(6)
    if way < 3:
        absent = missing(section)
        made = added(section, dice.pick(absent)) if absent else None
        index = index_of(made) if made is not None else None
        if made is None or index is None:
            return None
        name = next((piece.name for piece in present(made) if piece.name not in _names(section)), "")
        inside = [pattern for pattern in index.patterns if f"{name}." in pattern]
        for _ in range(dice.few(2) if inside else 0):
            made = _valued(made, index.pick(dice.pick(inside), dice), dice)
        return made
    pieces = present(section)
    if not pieces:
        return None
    number = dice.below(len(pieces))
    if way == 3:
        return dropped(section, number)
    if way == 4:
        return repeated(section, number)
    piece = pieces[number]
    return altered(section, piece.start, bytes([dice.pick((0, 4, 6, 5))]) + bytes([dice.pick((0, 1, 0xFF, 8))]))


def _names(section: Section) -> set[str]:
    return {piece.name for piece in present(section)}


def _valued(section: Section, leaf: Leaf, dice: Dice) -> Section:
    if leaf.size in {1, 2, 4, 8} and dice.chance(2):
        return write_leaf(section, leaf, values.integer(dice, 0, leaf.size))
    return mutate_leaf(section, leaf, dice)


ARMS: dict[str, tuple[Arm, int]] = {
    "1-counted": (counted, 2),
    "8-order": (order, 2),
    "9-derived": (derived, 4),
    "10-storage": (storage, 1),
    "11-duplicates": (duplicates, 3),
    "12-nested": (nested, 2),
}
"""Arms of this file with their weights."""
