"""Ends of loads as facts: of each design its own verdict and counts, and no word that a stream spells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fuzz.targets.situations.ends import MESSAGES, of_end, of_life
from fuzz.targets.situations.groups import group_of
from model import At, Outcome, Stage
from model.outcome import Acted
from model.schedule import Step

AT = At(7, "s", 0, "queue[3].x", ("VQ 3 size 0x40 < last_avail_idx 0x99 - used_idx 0x0", "load of it failed"), "disk")


def refused(**fields: Any) -> Outcome:
    return Outcome("batched", "refused", AT, **fields)


def test_a_load_that_went_well_says_little() -> None:
    assert [*of_end(Outcome("batched", "accepted"))] == [
        ("verdict", "batched", "accepted"),
        ("rebuilds", "batched", 0),
        ("depth", "batched", 0, "accepted"),
    ]


def test_where_it_ended_and_what_was_said_first() -> None:
    facts = {*of_end(refused(guest_can_cause=True, messages=("Missing section footer for timer", "Missing section a")))}
    assert facts >= {
        ("verdict", "batched", "refused"),
        ("ended-at", "refused", "disk", "queue#.x"),
        ("refusal", "queue#.x", "VQ # size"),
        ("guest-can-cause", "True"),
        ("message", "Missing section footer"),
    }
    silent = {*of_end(replace(refused(), at=replace(AT, errors=())))}
    assert ("refusal", "queue#.x", "") in silent
    assert ("guest-can-cause", "None") in silent


def test_places_and_names_of_a_stream_are_no_facts() -> None:
    other = replace(AT, offset=9000, section="t", instance=4, field="queue[0].x", errors=("VQ 1 size 0x1 < other",))
    assert [*of_end(refused())] == [*of_end(replace(refused(), at=other))]


@pytest.mark.parametrize(("depth", "told"), [(1, 1), (8, 8), (9, 8), (1000, 8)])
def test_a_depth_is_told_as_far_as_eight(depth: int, told: int) -> None:
    assert ("depth", "batched", told, "refused") in {*of_end(refused(depth_at_end=depth))}


def test_counts_are_told_by_powers_of_two_each_by_reader() -> None:
    facts = {
        *of_end(
            refused(
                rebuilds=100,
                forced_commits=3,
                reads_while_pending=(("vring", 7), ("dma", 1)),
                harmful_reads=(("vring", 4),),
            )
        )
    }
    assert facts >= {
        ("rebuilds", "batched", 7),
        ("forced", "batched", 2),
        ("pending", "batched", "vring", 3),
        ("pending", "batched", "dma", 1),
        ("harmful", "batched", "vring", 3),
    }
    assert not [fact for fact in of_end(refused()) if fact[0] in {"forced", "pending", "harmful"}]


def test_as_many_messages_are_looked_at_as_are_looked_at() -> None:
    said = tuple(f"{'x' * number}y said so" for number in range(1, 2 * MESSAGES))
    found = [fact[1] for fact in of_end(refused(messages=said)) if fact[0] == "message"]
    assert found == [*said[:MESSAGES]]


def test_what_is_not_modelled_goes_without_numbers() -> None:
    facts = [*of_end(refused(not_modelled=("a ring at 0x1000", "a ring at 0x2000")))]
    assert facts.count(("not-modelled", "a ring at #")) == 2


def test_steps_of_others_are_told_by_who_when_and_what_came_of_it() -> None:
    step = Step("wait", 3, "vcpu", ("ram[0x0:1]",))
    acted = (Acted(step, "wait 3", "idle"), Acted(step, "end", "harmful"))
    facts = [fact for fact in of_end(refused(acted=acted)) if fact[0] == "acted"]
    assert facts == [("acted", "vcpu", "wait", "idle"), ("acted", "vcpu", "end", "harmful")]


def test_a_life_is_what_comes_behind_the_load() -> None:
    stages = (
        Stage("load", refused()),
        Stage("reset", Outcome("batched", "accepted", rebuilds=5, depth_at_end=40)),
        Stage("again", Outcome("batched", "aborted")),
    )
    assert [*of_life(stages)] == [
        ("stage", "reset", "batched", "accepted", 8),
        ("stage-rebuilds", "reset", "batched", 3),
        ("stage", "again", "batched", "aborted", 0),
        ("stage-rebuilds", "again", "batched", 0),
    ]
    assert [*of_life(stages[:1])] == []


def test_each_fact_of_an_end_is_of_a_group() -> None:
    step = Step("wait", 3, "vcpu", ("ram[0x0:1]",))
    whole = refused(
        messages=("a",),
        not_modelled=("b",),
        forced_commits=1,
        reads_while_pending=(("vring", 1),),
        harmful_reads=(("vring", 1),),
        acted=(Acted(step, "end", "done"),),
    )
    facts = [*of_end(whole), *of_life((Stage("load", whole), Stage("reset", whole)))]
    assert {group_of(fact) for fact in facts} == {"ends", "reads"}
