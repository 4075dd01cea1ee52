"""Facts of outcomes: what they tell, that they are few, and that they depend on the outcome alone."""

from __future__ import annotations

import pytest

from fuzz.engine import FeatureMap
from fuzz.targets.situations import GROUPS, Situations, group_of, of_end
from fuzz.targets.situations.devices import of_device
from fuzz.targets.situations.layout import of_spaces, of_view
from fuzz.targets.situations.words import part_of, said
from model import At, DeviceState, Outcome, QueueState
from model.listening import Heard
from model.situation import Situation

RAM = (0, 0x9FFFF, "pc.ram", 0, False, "pc.ram")
ROM = (0xA0000, 0xFFFFF, "pc.ram", 0xA0000, True, "pc.ram")
BAR = (0xFEB00000, 0xFEB00FFF, "virtio-pci-0", 0, False, "blk0:virtio-pci-0")


def accepted(**fields: object) -> Outcome:
    return Outcome("batched", "accepted", **fields)  # type: ignore[arg-type]


def test_a_view_by_what_is_seen_and_what_lies_beside_it() -> None:
    facts = set(of_view("memory", (RAM, ROM, BAR)))
    assert facts == {
        ("shown", "pc.ram", "", ""),
        ("shown", "pc.ram", "read-only", "from inside"),
        ("shown", "virtio-pci-#", "", ""),
        ("neighbours", "", "pc.ram", "touching"),
        ("neighbours", "pc.ram", "pc.ram", "touching"),
        ("neighbours", "pc.ram", "virtio-pci-#", "apart"),
        ("pieces", "pc.ram", 2),
        ("ranges", "memory", 3),
        ("ranges-cut", "memory", 3, 1),
    }


def test_addresses_are_no_facts() -> None:
    moved = (0xFEA00000, 0xFEA00FFF, "virtio-pci-0", 0, False, "blk0:virtio-pci-0")
    assert set(of_view("memory", (RAM, BAR))) == set(of_view("memory", (RAM, moved)))


def test_spaces_that_show_the_same_are_told_so() -> None:
    rows = (RAM,)
    layout = (("memory", rows), ("I/O", (BAR,)), ("cpu-memory-0", rows), ("virtio-blk-pci", ()), ("nic", (BAR, RAM)))
    assert list(of_spaces(layout)) == [
        ("space", "memory", "the view of memory"),
        ("space", "I/O", "the view of I/O"),
        ("space", "processor", "the view of memory"),
        ("space", "device", "nothing"),
        ("space", "device", "the view of device"),
    ]


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "none"), (5, "some"), (7, "all but one"), (8, "all"), (9, "one too many"), (10, "too many")],
)
def test_how_full_a_queue_is(number: int, words: str) -> None:
    assert part_of(number, 8) == words


def test_a_queue_by_its_parts() -> None:
    queue = QueueState(0, 8, 65530, 2, 65522, 8, ("pc.ram+0x0:0x80", "pc.ram+0x1000:0x46", "vga.vram+0x10:0x14"))
    facts = set(of_device(DeviceState("s", "virtio-blk", broken=True, queues=(queue,))))
    assert facts == {
        ("device", "virtio-blk", True, False),
        ("queues", "virtio-blk", 1),
        ("queue-size", "virtio-blk", 4, True),
        ("queue-heads", "virtio-blk", "all"),
        ("queue-inuse", "virtio-blk", "all"),
        ("queue-wraps", "virtio-blk", True, False),
        ("ring", "virtio-blk", "desc", "pc.ram", "at 0", ""),
        ("ring", "virtio-blk", "used", "pc.ram", "", ""),
        ("ring", "virtio-blk", "avail", "vga.vram", "", ""),
        ("rings", "virtio-blk", "in several"),
    }


@pytest.mark.parametrize("name", ["c.ram", "pc.rbm", "x"])
def test_what_a_stream_spells_makes_no_facts(name: str) -> None:
    assert said(f"Can't find block {name}") == "Can't find block"
    assert said(f"Unknown savevm section or instance '{name}' 7") == "Unknown savevm section"
    assert said(f"invalid parameter value: {name}") == "invalid parameter value:"


def test_of_a_load_that_failed_nothing_is_left_but_how_it_went() -> None:
    outcome = Outcome(
        "batched",
        "refused",
        At(7, "s", 0, "queue[3].x", ("bad 7 of it",), "virtio-blk"),
        layout=(("memory", (RAM,)),),
        devices=(DeviceState("s", "virtio-blk"),),
        situation=Situation(reads=(("read-in", "reader", "benign", "memory"),), registers=(("command", "nic", "im-"),)),
    )
    facts = Situations()
    assert facts.of_outcome(outcome) == [("read-in", "reader", "benign", "memory")]
    survived = facts.of_outcome(outcome, lives_on=True)
    assert {group_of(fact) for fact in survived} == {"reads", "layout", "queues", "registers"}
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
