"""One trial: with which others it may be made, and in which order what it changes is sent."""

from __future__ import annotations

from dataclasses import replace

from mutants import stream
from tried import trials_of

from fuzz.mutate import Scene
from fuzz.mutate.trial import Trial, are_apart
from fuzz.mutate.trials import enumerate_trials
from vmformat import Section, StreamError


def test_a_section_is_sent_as_it_is_and_again_with_other_registers_or_rings() -> None:
    disk = stream("pc-small").section("0000:00:02.0/virtio-blk")
    assert disk is not None
    found = trials_of("virtio-blk")
    later = [trial for field, those in found.items() if field.startswith("later:") for trial in those]
    assert {"later:4", "later:ring:0", "later:ones:4"} <= {trial.field for trial in later}
    for trial in later:
        made = trial.apply(disk)
        if made is not None:
            assert trial.later
            assert made[0] == disk != made[1]


def test_registers_that_say_one_thing_together_are_changed_apart() -> None:
    window, other, command = 0x24, 0x40, 4
    assert are_apart(window, [])
    assert are_apart(window, [-1, other])
    assert not are_apart(window, [other, window + 2])
    assert not are_apart(window, [command])
    assert not are_apart(command, [other])
    assert are_apart(-1, [command, window])
    named = {
        (trial.field, trial.register)
        for trial in enumerate_trials([stream("pc-small")], Scene(bars={"0000:00:02.0": {0: 32, 1: 4096, 4: 16384}}))
        if trial.kind == "virtio-blk"
    }
    assert {("bar:1", 0x14), ("rest:16", 16)} <= named
    assert all(register < 0 for field, register in named if field.startswith("virtio."))


def test_a_section_is_sent_changed_and_again_as_it_was() -> None:
    disk = stream("pc-small").section("0000:00:02.0/virtio-blk")
    assert disk is not None
    back = [trial for field, those in trials_of("virtio-blk", bars=True).items() if "back:" in field for trial in those]
    assert {"back:4", "back:bar:1", "back:ones:4"} <= {trial.field for trial in back}
    for trial in back:
        made = trial.apply(disk)
        if made is not None:
            assert trial.later
            assert made[0] != disk == made[1]


def test_what_moves_or_is_likely_to_be_refused_has_a_section_to_itself() -> None:
    plain = Trial("kind", "field", lambda section: section)
    assert plain.shares
    for alone in ({"moves": True}, {"framing": True}, {"later": True}, {"risk": 0.2}):
        assert not replace(plain, **alone).shares


def test_a_trial_that_does_not_fit_has_nothing_to_do() -> None:
    section = stream("pc-small").section("hpet")
    assert section is not None

    def fails(one: Section) -> Section:
        raise StreamError(0, one.name, "room", "none")

    assert Trial("hpet", "field", fails).apply(section) is None
    assert Trial("hpet", "field", lambda _: None).apply(section) is None
    assert Trial("hpet", "field", lambda one: one).apply(section) == (section,)
    assert Trial("hpet", "field", lambda one: (one, one)).apply(section) == (section, section)


def test_a_trial_is_judged_like_its_field_its_name_and_all_that_are_as_risky() -> None:
    one = Trial("virtio-net", "virtio.queues.queue[].num", lambda section: section, value="0x0")
    other = Trial("virtio-blk", "other.num", lambda section: section, value="0x0")
    assert one.like[:3] == other.like[:3]
    assert one.like[3] != other.like[3]
    assert replace(one, element=1).like[3] != one.like[3]
