"""The law: what a machine remembers of earlier loads changes no outcome. Held against one that remembers nothing."""

from __future__ import annotations

import random

import mutants
import pytest

from fuzz.corpus import find_machine
from fuzz.work.build import make_mutator
from model import DESIGNS, Machine, load
from model.schedule import split

CHOSEN = ("per-device", "wrap-main", "v1-flag-eof", "lazy-epoch", "v7-rcu-dispatch", "threaded-batch", "stale-list")


@pytest.mark.parametrize(("name", "wanted"), [("pc-small", 30), ("q35-modern", 20), ("bridges", 14)])
def test_outcomes_are_the_same(name: str, wanted: int) -> None:
    files = find_machine(name)
    quick = mutants.machine(name)
    plain = Machine(quick.description)
    plain.remembers = False
    seeds = [path.read_bytes() for path in files.seeds]
    mutator, dice = make_mutator(quick.description, seeds, schedules=True), random.Random(11)
    inputs = list(seeds)
    while len(inputs) < wanted:
        inputs.append(mutator.mutate(dice.choice(inputs), mutator.max_size, dice.getrandbits(31)))
    expected = {}
    for turn in range(2):
        for number, data in enumerate(inputs):
            stream, schedule = split(data)
            for design in CHOSEN:
                outcome = load(quick, stream, DESIGNS[design](), schedule=schedule)
                quick.reset()
                if turn == 0:
                    expected[number, design] = load(plain, stream, DESIGNS[design](), schedule=schedule)
                    plain.reset()
                assert outcome == expected[number, design], (number, design)
                assert repr(outcome) == repr(expected[number, design])
    assert len({outcome.verdict for outcome in expected.values()}) > 1
