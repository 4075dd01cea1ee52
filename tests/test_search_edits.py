"""Edits by schema: what they may do, and that they can do it all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.search import edits
from fuzz.search.asked import Search
from fuzz.search.at_random import Dice
from fuzz.search.by_hypothesis import inputs
from fuzz.search.material import Material, material_of
from vmformat import StreamError, read, write

if TYPE_CHECKING:
    from vmformat import Stream

SMALL = material_of("pc-small")


def test_equal_seeds_give_equal_inputs() -> None:
    one, same, other = ([edits.edited(dice, SMALL) for _ in range(20)] for dice in (Dice(1), Dice(1), Dice(2)))
    assert one == same
    assert one != other
    assert len({*one}) == 20


@pytest.mark.parametrize("name", [edit.__name__ for edit in dict.fromkeys(edits.EDITS)])
def test_each_edit_changes_streams_and_not_its_argument(name: str) -> None:
    edit = getattr(edits, name)
    before = [write(stream) for stream in SMALL.streams]
    changed = 0
    for seed in range(30):
        for stream, data in zip(SMALL.streams, before, strict=True):
            result: Stream | None = edit(stream, Dice(seed), SMALL)
            changed += result is not None and edits.written(result) != data
    assert changed > 15
    assert [write(stream) for stream in SMALL.streams] == before


def test_most_inputs_are_streams() -> None:
    dice = Dice(3)
    readable = 0
    for _ in range(200):
        try:
            read(edits.edited(dice, SMALL), SMALL.schemas)
        except StreamError:
            continue
        readable += 1
    assert readable > 100, readable


def test_config_space_is_reached() -> None:
    """BARs and the command register, in some hundred inputs: no way is shut out from where the faults are."""
    places: set[int] = set()
    old = bytes(range(256))
    for seed in range(300):
        new = edits._bytes(old, Dice(seed), SMALL)
        assert len(new) == len(old)
        places |= {at for at in range(256) if old[at] != new[at]}
    assert {*range(0x10, 0x28), 4, 5} <= places
    assert len(places) > 200


def test_the_dictionary_is_libfuzzers() -> None:
    lines = SMALL.dictionary.splitlines()
    assert len(lines) == len(SMALL.words)
    assert all(line.count("=") >= 1 and line.endswith('"') for line in lines)
    assert any("section_ram" in line for line in lines)
    assert any(line.startswith("address_") for line in lines)
    assert any(line.startswith("register_") for line in lines)


def test_a_machine_without_a_readable_seed(machine: str) -> None:
    broken = Material(machine, SMALL.description, (b"", b"nothing"))
    assert broken.streams == ()


@settings(max_examples=20, database=None)
@given(st.data())
def test_hypothesis_draws_bytes(data: st.DataObject) -> None:
    assert isinstance(data.draw(inputs(SMALL)), bytes)


def test_a_search_goes_to_a_process_and_back() -> None:
    asked = Search("bug", "bug", "random", 3, "pc-small", ("d~bug",), ("d~bug",), 10, 2.5)
    assert Search.from_json(asked.to_json()) == asked
    spec = asked.spec(Path("somewhere"))
    assert (spec.until, spec.executions, spec.seed) == (("d~bug",), 10, 3)
    assert type(spec).from_json(spec.to_json()) == spec
