"""Facts of whole outcomes: what another design has of its own, and that they depend on the outcome alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fuzz.engine import FeatureMap
from fuzz.targets.situations import GROUPS, Situations, group_of, of_end
from fuzz.targets.situations.situations import LAYOUTS
from model import At, DeviceState, Outcome, QueueState
from model.listening import Heard
from model.situation import Situation

RAM = (0, 0x9FFFF, "pc.ram", 0, False, "pc.ram")
ROM = (0xA0000, 0xFFFFF, "pc.ram", 0xA0000, True, "pc.ram")
BAR = (0xFEB00000, 0xFEB00FFF, "virtio-pci-0", 0, False, "blk0:virtio-pci-0")


def accepted(**fields: object) -> Outcome:
    return Outcome("batched", "accepted", **fields)  # type: ignore[arg-type]


def test_of_a_load_that_failed_nothing_is_left_but_how_it_went() -> None:
    outcome = Outcome(
        "batched",
        "refused",
        At(7, "s", 0, "queue[3].x", ("bad 7 of it",), "virtio-blk"),
        layout=(("memory", (RAM,)),),
        devices=(DeviceState("s", "virtio-blk"),),
        situation=everything().situation,
    )
    facts = Situations()
    assert {group_of(fact) for fact in facts.of_outcome(outcome)} == {"reads", "distances"}
    survived = facts.of_outcome(outcome, lives_on=True)
    assert {group_of(fact) for fact in survived} == {"reads", "distances", "layout", "queues", "registers"}
    assert ("ended-at", "refused", "virtio-blk", "queue#.x") in set(of_end(outcome))


def everything() -> Outcome:
    queue = QueueState(0, 8, 1, 2, 1, 0)
    return accepted(
        layout=(("memory", (RAM, ROM, BAR)),),
        devices=(DeviceState("s", "virtio-blk", queues=(queue,)),),
        heard=(Heard("memory", 3, 1, (BAR,)),),
        situation=Situation(
            (("read-in", "reader", "benign", "memory"),),
            (("command", "nic", "im-"),),
            (("dev", "count > 4", "equal"),),
        ),
    )


def test_another_design_tells_only_what_it_has_of_its_own() -> None:
    facts = Situations()
    first = facts.of_outcome(everything())
    assert {group_of(fact) for fact in first} == {*GROUPS} - {"ends", "divergence"}
    assert facts.of_outcome(everything(), everything()) == [("read-in", "reader", "benign", "memory")]
    other = accepted(layout=(("memory", (RAM,)),), heard=everything().heard, situation=Situation())
    assert {group_of(fact) for fact in facts.of_outcome(other, everything())} == {"layout"}


OTHERS: dict[str, tuple[Outcome, set[str]]] = {
    "layout": (replace(everything(), layout=(("memory", (RAM,)),)), {"layout"}),
    "devices": (replace(everything(), devices=(DeviceState("s", "virtio-blk"),)), {"queues"}),
    "heard": (replace(everything(), heard=(Heard("memory", 3, 2),)), {"listeners"}),
    "registers": (
        replace(everything(), situation=replace(everything().situation, registers=(("bar", "nic", "moved"),))),
        {"registers"},
    ),
    "distances": (
        replace(everything(), situation=replace(everything().situation, distances=(("dev", "count > 4", "one more"),))),
        {"distances"},
    ),
}


@pytest.mark.parametrize(("other", "groups"), OTHERS.values(), ids=OTHERS)
def test_each_part_that_differs_is_told_and_no_other(other: Outcome, groups: set[str]) -> None:
    told = [fact for fact in Situations().of_outcome(other, everything()) if group_of(fact) != "reads"]
    whole = Situations().of_outcome(other)
    assert {group_of(fact) for fact in told} == groups
    assert told == [fact for fact in whole if group_of(fact) in groups]


def test_regions_that_went_and_came_back_are_told_once_by_name_with_how_much_was_told() -> None:
    ports = tuple((0x10 * n, 0x10 * n + 1, f"port {n}", 0, False, f"p{n}") for n in range(3))
    assert Situations().of_outcome(accepted(heard=(Heard("I/O", 9, 0, ports),))) == [
        ("told", "I/O", "added", 4),
        ("told", "I/O", "removed", 0),
        ("flapped", "I/O", "port #"),
    ]


def test_more_than_is_remembered_is_told_all_the_same() -> None:
    facts = Situations()
    for number in range(4 * LAYOUTS):  # nobody but the facts keeps them, so that another may lie where one lay
        name = f"region {'ab'[number % 2]}"
        rows = ((0, number, name, 0, False, name),)
        device = DeviceState(f"s{number}", "virtio-blk", broken=number % 2 == 1)
        found = facts.of_outcome(accepted(layout=(("memory", rows),), devices=(device,)))
        assert ("shown", name, "", "") in found
        assert ("device", "virtio-blk", number % 2 == 1, False) in found
        assert len([fact for fact in found if fact[0] == "shown"]) == 1
    assert max(len(facts._layouts), len(facts._views)) <= LAYOUTS


def test_what_was_remembered_changes_nothing() -> None:
    facts = Situations()
    before = facts.of_outcome(everything())
    facts.of_outcome(accepted(layout=(("memory", (BAR, RAM)),)))
    assert facts.of_outcome(everything()) == before == Situations().of_outcome(everything())


def test_every_fact_is_new_to_the_engine_once() -> None:
    features = FeatureMap()
    for fact in dict.fromkeys([*of_end(everything()), *Situations().of_outcome(everything())]):
        features.mark([fact])
        assert features.fold() == 1, fact
        features.clear()
        features.mark([fact])
        assert features.fold() == 0, fact
        features.clear()
