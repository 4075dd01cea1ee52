"""Sections come, go and move: each arm does to the framing what it says, and leaves all else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import stream

from fuzz.mutate import Dice, Scene
from fuzz.mutate.sections import (
    ARMS,
    devices_at,
    drawn,
    drop,
    duplicate,
    end_of_stream,
    graft,
    header,
    kind,
    move,
    part,
    replace_record,
    sections_at,
    shuffle,
    splice,
    thin,
    with_records,
)
from vmformat import Eof, Kind, Section, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.mutate import Arm
    from vmformat import Stream

PC, Q35 = stream("pc-small"), stream("q35-modern")
EMPTY = PC.with_records(())


def made(arm: Arm, source: Stream = PC, number: int = 200, scene: Scene | None = None) -> Iterator[Stream]:
    before = write(source)
    for seed in range(number):
        mutant = arm(source, Dice(seed), scene or Scene())
        if mutant is not None:
            yield mutant
    assert write(source) == before


def ids(found: Stream) -> list[int]:
    return list(map(id, found.records))


def test_a_section_is_drawn_with_its_place_all_alike_and_none_of_none() -> None:
    places = devices_at(PC)
    found = {drawn(PC, Dice(seed), places) for seed in range(600)}
    assert {one[0] for one in found if one is not None} == {*places}
    assert all(one is not None and PC.records[one[0]] is one[1] for one in found)
    assert drawn(PC, Dice(1), ()) is None


def test_places_are_those_of_sections_and_ram_is_no_device() -> None:
    for source in (PC, Q35):
        assert [source.records[at] for at in sections_at(source)] == list(source.sections)
        names = {source.records[at].name for at in {*sections_at(source)} - {*devices_at(source)}}  # type: ignore[union-attr]
        assert names == {"ram"}
    other = replace_record(PC, sections_at(PC)[3], PC.sections[4])
    assert sections_at(other) == tuple(at for at, one in enumerate(other.records) if isinstance(one, Section))
    assert sections_at(other) is sections_at(PC)  # not looked for again
    assert (other.header, other.configuration, other.trailing) == (PC.header, PC.configuration, PC.trailing)
    assert sections_at(with_records(PC, PC.records[:3])) == tuple(at for at in sections_at(PC) if at < 3)


def test_what_is_dropped_is_gone_and_the_rest_keeps_its_order() -> None:
    gone = set()
    for mutant in made(drop):
        kept = {*ids(mutant)}
        assert ids(mutant) == [one for one in ids(PC) if one in kept]
        gone.add(len(PC.records) - len(mutant.records))
    assert {1, 2, 3} <= gone <= {*range(1, 7)}


def test_few_devices_or_none_are_left_and_all_else_is() -> None:
    left = set()
    for mutant in made(thin):
        left.add(len(devices_at(mutant)))
        others = [one for at, one in enumerate(PC.records) if at not in devices_at(PC)]
        assert [one for at, one in enumerate(mutant.records) if at not in devices_at(mutant)] == others
    assert {0, 1, 5} <= left <= {*range(8)}


def test_one_is_sent_again() -> None:
    for mutant in made(duplicate):
        assert len(mutant.records) == len(PC.records) + 1
        assert {*ids(mutant)} == {*ids(PC)}


@pytest.mark.parametrize("arm", [move, shuffle])
def test_an_order_is_another_and_all_are_there(arm: Arm) -> None:
    orders = [ids(mutant) for mutant in made(arm)]
    assert all(sorted(order) == sorted(ids(PC)) for order in orders)
    assert sum(order != ids(PC) for order in orders) > 150


def test_ends_of_the_stream_come_go_and_move() -> None:
    numbers = set()
    for mutant in made(end_of_stream):
        numbers.add(sum(isinstance(one, Eof) for one in mutant.records))
        assert mutant.sections == PC.sections
    assert {0, 1, 2} <= numbers


def test_kinds_are_turned_and_nothing_else() -> None:
    seen = set()
    for mutant in made(kind):
        for old, new in zip(PC.sections, mutant.sections, strict=True):
            if old is not new:
                seen.add((old.kind, new.kind))
                assert (old.name, old.payload, old.section_id, old.footer) == (
                    new.name,
                    new.payload,
                    new.section_id,
                    new.footer,
                )
    assert seen >= {(Kind.FULL, Kind.START), (Kind.START, Kind.FULL)}


def test_a_device_is_loaded_again_under_its_number() -> None:
    for mutant in made(part):
        (at,) = (at for at, one in enumerate(mutant.records) if id(one) not in {*ids(PC)})
        again = mutant.records[at]
        assert isinstance(again, Section)
        assert again.kind in {Kind.PART, Kind.END}
        first = next(i for i, one in enumerate(PC.records) if isinstance(one, Section) and one.payload is again.payload)
        assert first < at <= first + 9


def test_headers_are_altered_one_thing_at_a_time_and_payloads_stay() -> None:
    fields = ("section_id", "instance", "version", "name", "footer", "kind")
    seen: set[str] = set()
    for mutant in made(header, number=600):
        for old, new in zip(PC.sections, mutant.sections, strict=True):
            assert new.payload == old.payload
            differs = {field for field in fields if getattr(old, field) != getattr(new, field)}
            assert differs <= {"section_id", "footer"} or differs <= {"name", "instance"} or len(differs) == 1
            seen |= differs
    assert seen == {*fields} - {"kind"}


def test_sections_are_taken_from_another_seed() -> None:
    assert splice(PC, Dice(1), Scene()) is None
    assert graft(PC, EMPTY, Dice(1)) is None
    theirs, taken = {*ids(Q35)}, 0
    for mutant in made(splice, scene=Scene(donors=(Q35,))):
        new = [one for one in ids(mutant) if one not in {*ids(PC)}]
        assert new
        assert {*new} <= theirs
        taken += len(mutant.records) == len(PC.records)  # in the place of its own
    assert taken > 20


@pytest.mark.parametrize("name", [name for name in ARMS if name not in {"end-of-stream", "splice"}])
def test_where_there_is_no_section_nothing_is_done(name: str) -> None:
    assert ARMS[name][0](EMPTY, Dice(1), Scene(donors=(Q35,))) is None
