"""Commands and packages: what goes into a package comes out of it, and each command is one that the loader knows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mutants import stream

from fuzz.mutate import Dice, Places, Scene
from fuzz.mutate.commands import insert, unwrap, wrap
from vmformat import Cmd, Command, Eof, Section, package_records, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.mutate import Arm
    from vmformat import Record, Stream

PC = stream("pc-small").with_records(one for one in stream("pc-small").records if len(one.to_bytes()) < 300)
EMPTY = PC.with_records(())


def made(arm: Arm, source: Stream = PC, number: int = 100) -> Iterator[Stream]:
    before = write(source)
    for seed in range(number):
        mutant = arm(source, Dice(seed), Scene())
        if mutant is not None:
            yield mutant
    assert write(source) == before


def commands(found: Stream) -> list[Command]:
    return [record for record in found.records if isinstance(record, Command)]


def wrapped(found: Stream) -> tuple[list[Record], tuple[Record, ...], list[Record]]:
    """What stands before the package, in it, and behind it."""
    (at,) = (i for i, one in enumerate(found.records) if isinstance(one, Command) and one.cmd == Cmd.PACKAGED)
    package = found.records[at]
    assert isinstance(package, Command)
    return [*found.records[:at]], package_records(found, package), [*found.records[at + 1 :]]


def bytes_of(records: list[Record]) -> list[bytes]:
    return [record.to_bytes() for record in records]


def without_ends(records: list[Record]) -> list[bytes]:
    return bytes_of([record for record in records if not isinstance(record, (Eof, Command))])


def test_a_run_of_records_is_in_the_package_and_all_others_stay_around_it() -> None:
    sizes = set()
    for mutant in made(wrap):
        front, inside, behind = wrapped(mutant)
        assert without_ends([*front, *inside, *behind]) == without_ends([*PC.records])
        assert [one for one in behind if isinstance(one, Eof)] in ([], [PC.records[-1]])
        sizes.add(len(without_ends([*inside])))
    assert 0 in sizes
    assert max(sizes) > 5


def test_a_package_ends_by_an_eof_by_run_or_not_at_all() -> None:
    ends = set()
    for mutant in made(wrap):
        front, inside, _ = wrapped(mutant)
        last = inside[-1] if inside else None
        ends.add(type(last).__name__ if not isinstance(last, Command) else Cmd(last.cmd).name)
        if isinstance(last, Command):  # a postcopy: announced before, and what is loaded stands between
            assert isinstance(front[0], Command)
            assert front[0].cmd == Cmd.POSTCOPY_ADVISE
            assert isinstance(inside[0], Command)
            assert (inside[0].cmd, last.cmd) == (Cmd.POSTCOPY_LISTEN, Cmd.POSTCOPY_RUN)
        assert sum(isinstance(one, Eof) for one in inside) <= 1
    assert {"Eof", "POSTCOPY_RUN", "Section"} <= ends


def test_what_was_put_into_a_package_comes_out_again() -> None:
    kept = set()
    for number, mutant in enumerate(made(wrap, number=40)):
        for seed in range(3):
            again = unwrap(mutant, Dice(number + seed), Scene())
            assert again is not None
            assert without_ends([*again.records]) == without_ends([*PC.records])
            kept.add(sum(isinstance(one, Eof) for one in again.records))
    assert {1, 2} <= kept, "an EOF of the package is left out, or it is not"


def test_a_package_that_cannot_be_read_stays_as_it_is() -> None:
    broken = PC.with_records([Command.packaged(b"\4\0\0"), *PC.records])
    assert unwrap(broken, Dice(1), Scene()) is None
    assert unwrap(PC, Dice(1), Scene()) is None
    other = PC.with_records([Command.ping(7), *PC.records])
    assert unwrap(other, Dice(1), Scene()) is None


def test_one_command_is_put_anywhere() -> None:
    kinds, places = set(), set()
    for mutant in made(insert, number=400):
        (new,) = commands(mutant)
        at = mutant.records.index(new)
        assert [*mutant.records[:at], *mutant.records[at + 1 :]] == [*PC.records]
        kinds.add(new.cmd)
        places.add(at)
    assert {cmd.value for cmd in Cmd} - {Cmd.PACKAGED} <= kinds
    assert {0, len(PC.records)} <= places
    assert max(kinds) > max(Cmd), "one that nobody knows"


def test_some_commands_have_more_bytes_than_they_should() -> None:
    lengths = {(one.cmd, len(one.payload)) for mutant in made(insert, number=400) for one in commands(mutant)}
    pings = {length for cmd, length in lengths if cmd == Cmd.PING}
    assert 4 in pings
    assert pings <= {*range(4, 9)}
    assert len(pings) > 1


def test_commands_about_pages_name_the_block_of_the_machine() -> None:
    scene = Scene(Places(ram_block="microvm.ram"))
    found = [insert(EMPTY, Dice(seed), scene) for seed in range(400)]
    payloads = {one.cmd: one.payload for mutant in found if mutant is not None for one in commands(mutant)}
    for cmd in (Cmd.POSTCOPY_RAM_DISCARD, Cmd.RECV_BITMAP):
        assert b"\x0bmicrovm.ram" in payloads[cmd]


def test_where_there_are_no_records_a_command_can_still_be_put() -> None:
    assert wrap(EMPTY, Dice(1), Scene()) is None
    assert unwrap(EMPTY, Dice(1), Scene()) is None
    made = insert(EMPTY, Dice(1), Scene())
    assert made is not None
    assert len(made.records) == 1


def test_sections_without_footers_are_put_into_packages_too() -> None:
    bare = PC.with_records(replace(one, footer=None) if isinstance(one, Section) else one for one in PC.records)
    for mutant in made(wrap, bare, 20):
        assert commands(mutant)
