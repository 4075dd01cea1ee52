"""Mutations of programs: mutants are programs no longer than they may be, and each arm does what its name says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.mutate import Dice
from fuzz.mutate.programs import _ARMS, ProgramMutator, any_call
from fuzz.programs import WORLDS, Program, decode, encode, from_text, seed_inputs
from fuzz.programs.program import MAX_CALLS, NUMBERS, READS, TREE, VERBS, WHO, names
from fuzz.programs.strategies import programs

if TYPE_CHECKING:
    from collections.abc import Iterator

ANY = st.sampled_from(sorted(WORLDS)).flatmap(lambda world: programs(world, who=WHO, max_calls=8))
LONG = "world board\nadd dimm bus 0x1000 1\nbegin\ndisable card\nread memory 0x1000 0x10\nvcpu: use c1\ncommit\n"
PROGRAM = from_text(LONG)
FULL = replace(PROGRAM, calls=(PROGRAM.calls * MAX_CALLS)[:MAX_CALLS])


@given(ANY, st.integers(0, 1 << 32))
@settings(max_examples=12)
def test_mutants_are_programs_and_the_seed_decides(program: Program, seed: int) -> None:
    data = encode(program)
    mutants = {ProgramMutator(400).mutate(data, 400, seed) for _ in range(2)}
    assert len(mutants) == 1
    assert len(mutants.pop()) <= 400
    assert len(ProgramMutator(400).crossover(data, seed_inputs()[0], 100, seed)) <= 100


@pytest.mark.parametrize("size", [0, 1, 7, 60])
@pytest.mark.parametrize("data", [b"", b"\xff", encode(PROGRAM), encode(FULL)])
def test_no_mutant_is_longer_than_it_may_be_whatever_it_is_made_of(data: bytes, size: int) -> None:
    mutator = ProgramMutator(400)
    for seed in range(40):
        for made in (mutator.mutate(data, size, seed), mutator.crossover(data, encode(PROGRAM), size, seed)):
            assert len(made) <= size
            assert len(decode(made).calls) <= MAX_CALLS


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("verb", VERBS)
def test_any_verb_is_called_with_what_there_is_in_any_world(world: str, verb: str) -> None:
    callers = set()
    for seed in range(60):
        call = any_call(world, Dice(seed), (verb,))
        program = Program(world, (call,))
        assert from_text(program.text()) == decode(encode(program)) == program
        callers.add(call.who)
        for kind, value in zip(VERBS[verb], call.operands, strict=True):
            if kind in NUMBERS:
                assert isinstance(value, int)
                assert NUMBERS[kind][0] <= value <= NUMBERS[kind][1]
            else:
                assert value in names(WORLDS[world], kind)
    assert "" in callers
    assert len(callers) > 2


@pytest.mark.parametrize("world", WORLDS)
def test_a_region_is_added_to_one_that_stands_behind_it(world: str) -> None:
    order = WORLDS[world].region_names
    pairs = {any_call(world, Dice(seed), ("add",)).operands[:2] for seed in range(300)}
    assert all(order.index(str(inner)) < order.index(str(outer)) for inner, outer in pairs)
    assert {outer for _, outer in pairs} == {*order[1:]}


def arm(name: str, program: Program = PROGRAM, number: int = 80) -> Iterator[Program]:
    for seed in range(number):
        made = _ARMS[name][0](program, Dice(seed))
        assert decode(encode(replace(made, calls=made.calls[:MAX_CALLS]))).calls == made.calls[:MAX_CALLS]
        yield made


def is_with(made: Program, number: int) -> bool:
    """Whether it is the program with so many calls more in one place."""
    old, new = PROGRAM.calls, made.calls
    return len(new) == len(old) + number and any(
        new[:at] == old[:at] and new[at + number :] == old[at:] for at in range(len(old) + 1)
    )


def test_a_call_is_inserted_anywhere() -> None:
    verbs = set()
    for made in arm("insert", number=400):
        assert is_with(made, 1)
        verbs |= {call.verb for call in made.calls}
    assert verbs == {*VERBS}


def test_a_change_is_looked_at_right_behind_it() -> None:
    for made in arm("change-and-look"):
        assert is_with(made, 2)
        assert any(
            one.verb in TREE and other.verb in READS for one, other in zip(made.calls, made.calls[1:], strict=False)
        )


def test_calls_are_left_out_one_or_a_few_in_a_row() -> None:
    lengths = set()
    for made in arm("delete"):
        gone = len(PROGRAM.calls) - len(made.calls)
        lengths.add(gone)
        assert any(made.calls == PROGRAM.calls[:at] + PROGRAM.calls[at + gone :] for at in range(len(PROGRAM.calls)))
    assert 1 in lengths
    assert max(lengths) > 1
    assert min(lengths) > 0


def test_a_call_comes_again() -> None:
    for made in arm("copy"):
        assert is_with(made, 1)
        assert {*made.calls} == {*PROGRAM.calls}


def test_neighbours_change_places() -> None:
    for made in arm("swap"):
        differs = [at for at in range(len(PROGRAM.calls)) if made.calls[at] != PROGRAM.calls[at]]
        assert len(differs) == 2
        assert differs[1] == differs[0] + 1
        assert made.calls[differs[0]] == PROGRAM.calls[differs[1]]
        assert made.calls[differs[1]] == PROGRAM.calls[differs[0]]


def test_one_operand_or_who_calls_is_altered() -> None:
    who = operands = 0
    for made in arm("alter", number=200):
        pairs = [(old, new) for old, new in zip(PROGRAM.calls, made.calls, strict=True) if old != new]
        assert len(pairs) <= 1
        if not pairs:
            continue
        ((old, new),) = pairs
        assert old.verb == new.verb
        differs = [one != other for one, other in zip(old.operands, new.operands, strict=True)]
        assert sum(differs) + (old.who != new.who) == 1
        who += old.who != new.who
        operands += sum(differs)
    assert who > 20
    assert operands > 50


def test_the_same_bytes_are_meant_in_another_world() -> None:
    found = {made.world: encode(made)[1:] for made in arm("world")}
    assert {*found} == {*WORLDS}
    assert found[PROGRAM.world] == encode(PROGRAM)[1:]


@pytest.mark.parametrize("name", ["delete", "copy", "swap", "alter"])
def test_where_there_is_no_call_there_is_nothing_to_do(name: str) -> None:
    empty = Program("abcd")
    assert [*arm(name, empty, 5)] == [empty] * 5
    if name == "swap":
        one = replace(empty, calls=PROGRAM.calls[1:2])
        assert [*arm(name, one, 5)] == [one] * 5


def test_a_child_of_two_is_the_head_of_one_and_the_tail_of_the_other() -> None:
    mutator = ProgramMutator(400)
    other = from_text("world board\ndel ram\nload\nsection\nrelease\n")
    seen = set()
    for seed in range(60):
        made = decode(mutator.crossover(encode(PROGRAM), encode(other), 400, seed)).calls
        ways = [
            (head, tail)
            for head in range(len(PROGRAM.calls) + 1)
            for tail in range(len(other.calls) + 1)
            if made == PROGRAM.calls[:head] + other.calls[tail:]
        ]
        assert ways
        seen.add(ways[0])
        assert mutator.made_by == ("crossover",)
    assert len(seen) > 15


def test_programs_of_two_worlds_have_no_child() -> None:
    mutator = ProgramMutator(400)
    other = encode(Program("abcd"))
    assert {mutator.crossover(encode(PROGRAM), other, 400, seed) for seed in range(10)} == {encode(PROGRAM)}
    assert mutator.counts()["crossover"] == [10, 0]


def test_a_child_has_no_more_calls_than_a_program_may_have() -> None:
    mutator = ProgramMutator(4000)
    made = [decode(mutator.crossover(encode(FULL), encode(FULL), 4000, seed)) for seed in range(20)]
    assert max(len(one.calls) for one in made) == MAX_CALLS


def test_one_in_sixteen_is_of_bytes_which_the_engine_may_mutate() -> None:
    mutator = ProgramMutator(400)
    mutator.engine = lambda data, size: b"engine"
    made = [mutator.mutate(encode(PROGRAM), 400, seed) for seed in range(400)]
    tried, changed = mutator.counts()["bytes"]
    assert tried == changed
    assert 10 < tried < 50
    assert 0 < made.count(b"engine") < tried


def test_arms_that_earn_are_likelier_and_counts_are_nobodys_to_change() -> None:
    mutator = ProgramMutator(400)
    before = mutator.weights()
    for seed in range(400):
        mutator.mutate(encode(PROGRAM), 400, seed)
        mutator.learned(int("swap" in mutator.made_by), None)
    after = mutator.weights()
    assert after["swap"] > before["swap"]
    assert after["copy"] < before["copy"]
    mutator.counts()["swap"][0] = -1
    assert mutator.counts()["swap"][0] > 0
    assert {*mutator.counts()} == {*_ARMS, "bytes", "crossover"}
