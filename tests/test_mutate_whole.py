"""Trials of the stream as a whole, and how the sweep goes through them."""

from __future__ import annotations

from mutants import stream

from fuzz.mutate import Scene
from fuzz.mutate.places import Places
from fuzz.mutate.sweep import Sweep
from fuzz.mutate.whole import whole_trials
from vmformat import Eof, Section, Stream, write

SCENE = Scene(places=Places(below_4g=16 << 20))


def test_each_kind_has_its_turn() -> None:
    names = [name.partition(":")[0] for name, _ in whole_trials(stream("pc-small"), SCENE)]
    assert {"planted", "command", "ram", "end"} <= set(names[:8])
    assert len(names) > 200


def test_each_changes_the_stream_or_has_nothing_to_do() -> None:
    one = stream("pc-small")
    seed = write(one)
    made = [change(one) for _, change in whole_trials(one, SCENE)]
    assert all(found is None or write(found) != seed for found in made)


def test_a_stream_of_nothing_has_commands_and_ends_alone() -> None:
    bare = Stream(records=(Eof(),))
    found = whole_trials(bare, SCENE)
    assert {name.partition(":")[0] for name, _ in found} == {"first", "command", "end", "type", "turned"}
    assert all(change(bare) is not None for _, change in found)


def test_two_devices_share_a_number_and_a_part_comes_for_it() -> None:
    found = dict(whole_trials(stream("pc-small"), SCENE))
    made = found["number of another:-1:0"](stream("pc-small"))
    assert made is not None
    numbers = [one.section_id for one in made.records if isinstance(one, Section)]
    assert numbers.count(numbers[-1]) == 3


def test_the_sweep_makes_each_once() -> None:
    one = stream("pc-small")
    sweep = Sweep([one], SCENE)
    found: list[bytes] = []
    while (made := sweep.whole()) is not None:
        found.append(write(made))
        sweep.answer("")
    wanted = [write(made) for _, change in whole_trials(one, SCENE) if (made := change(one)) is not None]
    assert found == wanted
