"""Mutants with one value changed: the stream stays as long, and one field, or one number of the framing, differs."""

from __future__ import annotations

import pytest
from mutants import differing, stream

from fuzz.mutate import Dice
from fuzz.mutate.index import index_of
from fuzz.mutate.single import _numbers, single_field
from vmformat import Section, Stream, write

NAMES = ("pc-small", "q35-modern")


def places_of(source: Stream) -> list[tuple[int, int]]:
    """First byte and size of every field of every section, in the stream."""
    found = []
    at = len(write(source.with_records(())))
    at -= len(source.trailing)
    for record in source.records:
        whole = record.to_bytes()
        index = index_of(record) if isinstance(record, Section) else None
        if index is not None and isinstance(record, Section):
            payload = at + len(whole) - len(record.payload) - (5 if record.footer is not None else 0)
            for leaves in index.places.values():
                for leaf in leaves:
                    found += [(payload + leaf.offset + n * leaf.stride, leaf.size) for n in range(leaf.count)]
        at += len(whole)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_one_value_is_another_and_all_else_is_as_it_was(name: str) -> None:
    source = stream(name)
    before = write(source)
    holders = {}
    for number, (first, size) in enumerate([*places_of(source), *_numbers(source, len(before))]):
        holders.update(dict.fromkeys(range(first, first + size), number))
    numbers = set()
    for seed in range(400):
        after = single_field(source, Dice(seed))
        assert len(after) == len(before)
        differs = differing(before, after)
        assert differs
        assert len({holders.get(at, -at - 1) for at in differs}) == 1, (seed, differs)
        numbers.add(holders[differs[0]])
    assert len(numbers) > 150


def test_every_section_has_its_turn_and_the_framing_too() -> None:
    source = stream("pc-small")
    ends: list[tuple[int, str]] = []
    at = len(write(source.with_records(()))) - len(source.trailing)
    for record in source.records:
        at += len(record.to_bytes())
        ends.append((at, record.name if isinstance(record, Section) else ""))
    before, seen = write(source), set()
    for seed in range(3000):
        after = single_field(source, Dice(seed))
        first, *_ = differing(before, after)
        seen.add(next((name for end, name in ends if first < end), "behind"))
    assert {section.name for section in source.sections} <= seen


def test_numbers_of_the_framing_are_where_the_format_has_them() -> None:
    source = stream("pc-small")
    data = write(source)
    found = dict(_numbers(source, len(data)))
    assert data[:4] == b"QEVM"
    assert found[0] == found[4] == 4
    at = 8 + len(source.configuration.to_bytes()) if source.configuration is not None else 8
    for record in source.records:
        if isinstance(record, Section):
            assert int.from_bytes(data[at + 1 : at + 5], "big") == record.section_id
            assert found[at + 1] == 4
            if record.footer is not None:
                end = at + len(record.to_bytes())
                assert data[end - 5] == 0x7E
                assert int.from_bytes(data[end - 4 : end], "big") == record.footer
                assert (found[end - 5], found[end - 4]) == (1, 4)
            if record.kind.name in {"START", "FULL"}:
                name = at + 6 + len(record.name)
                assert data[at + 5] == len(record.name)
                assert int.from_bytes(data[name : name + 4], "big") == record.instance
                assert int.from_bytes(data[name + 4 : name + 8], "big") == record.version
                assert (found[at + 5], found[name], found[name + 4]) == (1, 4, 4)
        at += len(record.to_bytes())


def test_a_stream_without_sections_has_its_framing_altered() -> None:
    empty = stream("pc-small").with_records(())
    before = write(empty)
    assert all(single_field(empty, Dice(seed)) != before for seed in range(50))
