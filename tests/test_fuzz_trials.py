"""Trials of two fields at once: an index with a count beside it that is 0 otherwise."""

from __future__ import annotations

from mutants import leaf_of, stream

from fuzz.mutate import Scene
from fuzz.mutate.index import read_leaf
from fuzz.mutate.trials import enumerate_trials

PAIR = "parent_obj.queue.rptr+parent_obj.queue.count"


def test_an_index_is_tried_where_the_count_beside_it_lets_it_be_looked_at() -> None:
    source = stream("pc-small")
    keyboard = source.section("ps2kbd")
    assert keyboard is not None
    trials = [trial for trial in enumerate_trials([source], Scene()) if (trial.kind, trial.field) == ("ps2kbd", PAIR)]
    places = []
    for trial in trials:
        made = trial.apply(keyboard)
        assert made is not None
        assert read_leaf(made[0], leaf_of(made[0], "queue.count")) == 1
        places.append(read_leaf(made[0], leaf_of(made[0], "queue.rptr")))
    assert {256, 0xFFFFFFFF} <= set(places)
    assert len(places) == 4


def test_a_count_that_is_not_0_stays_as_it_is() -> None:
    source = stream("pc-small")
    fields = {trial.field for trial in enumerate_trials([source], Scene()) if trial.kind.startswith("virtio")}
    assert not any("+virtio." in field for field in fields)
