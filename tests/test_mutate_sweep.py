"""The systematic stage: every trial is made, those that others hid are made again, and no two campaigns differ."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from mutants import stream

from fuzz.mutate import Dice, Scene
from fuzz.mutate.index import index_of, read_leaf
from fuzz.mutate.sweep import FIRST, MOST, Sweep, Turn
from fuzz.mutate.trials import enumerate_trials
from fuzz.work.build import read_description
from model import section_schemas
from vmformat import Stream, read, write

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
DESCRIPTION = read_description(CORPUS / "machines" / "pc-small.json")
SCHEMAS = section_schemas(DESCRIPTION)


@pytest.fixture(scope="module")
def seed() -> Stream:
    return read((CORPUS / "seeds" / "pc-small" / "before.vmstate").read_bytes(), SCHEMAS)


def scene(*names: str) -> Scene:
    masks = {entry.function: (entry.writable, entry.compare) for entry in DESCRIPTION.functions}
    return Scene(masks={name: masks[name] for name in names or masks})


def few(seed: Stream, *names: str) -> Stream:
    """The seed with a few of its sections."""
    return seed.with_records(record for record in seed.records if getattr(record, "name", "") in names)


def test_every_field_of_every_section_has_its_turn_and_counts_come_early(seed: Stream) -> None:
    found = enumerate_trials([seed], scene())
    kinds = {section.name.rpartition("/")[2] for section in seed.sections} - {"ram"}
    assert {trial.kind for trial in found} == kinds
    fields = {(trial.kind, trial.field) for trial in found}
    assert {
        ("hpet", "num_timers"),
        ("ps2kbd", "parent_obj.queue.rptr"),
        ("virtio-blk", "virtio.queues.num"),
        ("virtio-net", "virtio.device.mac_table.in_use"),
        ("virtio-net", "config:4"),
        ("ps2kbd", "add:ps2kbd/command_reply_queue:ps2kbd/command_reply_queue.parent_obj.queue.cwptr"),
        ("timer", "left out"),
    } <= fields
    places = {(trial.kind, trial.field): place for place, trial in reversed(list(enumerate(found)))}
    assert places["hpet", "num_timers"] < places["hpet", "isr"] < places["hpet", "timer[].cmp"] < len(found) // 4
    assert places["ps2kbd", "parent_obj.queue.count"] < places["ps2kbd", "translate"] < len(found) // 4


def test_all_trials_are_made_several_at_a_time_and_then_there_are_none(seed: Stream) -> None:
    short = few(seed, "timer", "hpet", "ps2kbd", "i8259")
    sweep, dice = Sweep([short], scene()), Dice(3)
    wanted, mutants = sweep.left, set()
    while (made := sweep.mutant(dice)) is not None:
        mutants.add(write(made))
        sweep.answer("")
    assert sweep.left == 0
    assert wanted // MOST < len(mutants) < wanted // 2


def test_what_a_refusal_hid_is_tried_again_and_what_was_refused_is_not(seed: Stream) -> None:
    short = few(seed, "timer", "hpet", "ps2kbd")
    tried: dict[str, int] = {}
    whole: set[str] = set()
    sweep, dice = Sweep([short], scene()), Dice(3)
    original = {section.name: section.payload for section in short.sections}
    rounds = 0
    while (made := sweep.mutant(dice)) is not None:
        rounds += 1
        changed = {section.name: section.payload for section in made.sections} | {"": b""}
        fresh = {f"{name}:{data.hex()}" for name, data in changed.items() if data != original.get(name)}
        # A loader that takes no other hpet: what stands beside one was not part of a whole load.
        stopped = "hpet/0" if changed.get("hpet") != original["hpet"] else ""
        for one in fresh:
            tried[one] = tried.get(one, 0) + 1
        if not stopped:
            whole |= fresh
        sweep.answer(stopped)
    hidden = {one for one in tried if not one.startswith(("hpet", ":"))} - whole
    assert len(whole) > 80
    assert len(hidden) < len(whole) // 3, hidden
    assert rounds < 1500
    assert max(count for one, count in tried.items() if one.startswith("hpet")) <= 6


def test_two_sweeps_are_alike(seed: Stream) -> None:
    made = []
    for _ in range(2):
        sweep, dice, mutants = Sweep([seed], scene()), Dice(7), []
        for number in range(40):
            mutant = sweep.mutant(dice)
            assert mutant is not None
            mutants.append(write(mutant))
            sweep.answer("hpet/0" if number % 5 == 0 else "")
        made.append(mutants)
    assert made[0] == made[1]


def changed_in(made: Stream, seed: Stream) -> set[str]:
    """Names of the sections that are not as in the seed."""
    original = {f"{section.name}/{section.instance}": section.to_bytes() for section in seed.sections}
    return {
        section.name
        for section in made.sections
        if original.get(f"{section.name}/{section.instance}") != section.to_bytes()
    }


def test_a_field_that_is_always_refused_waits_until_the_line_is_empty(seed: Stream) -> None:
    short = few(seed, "timer", "hpet", "i8259")
    sweep, dice = Sweep([short], scene()), Dice(3)
    refusals = []
    number = 0
    while (made := sweep.mutant(dice)) is not None:
        number += 1
        changed = changed_in(made, short)
        refused = "hpet" in changed  # takes no other hpet at all
        if refused:
            refusals.append(number)
        sweep.answer("hpet/0" if refused else "")
    first_half = sum(at <= number // 2 for at in refusals)
    assert len(refusals) > 200, "all are made in the end"
    assert first_half < len(refusals) // 2


def test_what_rides_along_stands_in_front_and_stays_in_line(seed: Stream) -> None:
    short = few(seed, "timer", "i8259", "hpet", "ps2kbd")
    order = [section.name for section in short.sections]
    sweep, dice = Sweep([short], scene()), Dice(5)
    alone = rode = 0
    while sweep.left:
        before = sweep.left
        made = sweep.mutant(dice)
        assert made is not None
        changed = changed_in(made, short)
        refused = "ps2kbd" in changed
        if refused and before - sweep.left <= 1:
            alone += 1
            rode += len(changed) > 1
            assert {name for name in changed if order.index(name) > order.index("ps2kbd")} == set()
        sweep.answer("ps2kbd/0" if refused else "")
    assert alone > 100
    assert rode > 20


def test_a_section_that_was_renumbered_is_to_blame_itself(seed: Stream) -> None:
    short = few(seed, "timer", "i8259")
    sweep, dice = Sweep([short], scene()), Dice(1)
    seen = 0
    while (made := sweep.mutant(dice)) is not None:
        strangers = [one for one in made.sections if one.instance > 1 or (one.name == "timer" and one.instance)]
        seen += bool(strangers)
        sweep.answer(f"{strangers[0].name}/{strangers[0].instance}" if strangers else "")
    assert 1 <= seen <= 12, "not again and again"


def test_trials_are_mixed_and_the_list_stays_as_it_is(seed: Stream) -> None:
    sweep = Sweep([seed], scene())
    left = sweep.left
    mixes = [made for number in range(20) if (made := sweep.mixed(Dice(number))) is not None]
    assert len(mixes) == 20
    assert sweep.left == left
    assert sum(len(changed_in(made, seed)) for made in mixes) > 20 * 8
    again = Sweep([seed], scene()).mixed(Dice(4))
    assert again is not None
    assert write(again) == write(mixes[4])


def test_a_mix_has_values_that_are_in_no_list(seed: Stream) -> None:
    short = few(seed, "timer", "i8259")
    trials = [one for one in enumerate_trials([short], scene()) if one.kind == "i8259" and not one.moves]
    pic = next(one for one in short.sections if one.name == "i8259")
    alone = [made[0].payload for one in trials if (made := one.apply(pic))]
    listed = {byte for payload in alone for byte in payload}
    sweep = Sweep([short], scene())
    mixes = [mix for number in range(400) if (mix := sweep.mixed(Dice(number))) is not None]
    mixed = {byte for mix in mixes for one in mix.sections if one.name == "i8259" for byte in one.payload}
    assert len(mixed - listed) > 20


def test_what_is_sent_again_later_stands_behind_all_others(seed: Stream) -> None:
    sweep, dice, found = Sweep([seed], scene()), Dice(2), 0
    for _ in range(300):
        made = sweep.mutant(dice)
        assert made is not None
        names = [section.name for section in made.sections]
        if "globalstate" not in names:  # left out: a trial as well
            continue
        last = names.index("globalstate") + 1
        found += len(names) > last
        assert all(names.count(name) > 1 for name in names[last:] if name != "globalstate")
        sweep.answer("")
    assert found > 20


def order(short: Stream, turn: Turn) -> list[str]:
    """What one worker tries, in its order, a line each; all of it loads."""
    sweep, dice, found = Sweep([short], scene(), turn), Dice(3), list[str]()
    while sweep.mutant(dice) is not None:
        made = (*sweep._under, *sweep._riders)
        found += [f"{one.trial.kind} {one.trial.field} {one.trial.value}" for one, _ in made]
        sweep.answer("")
    return found


def test_workers_that_share_a_list_begin_with_different_trials_and_make_all(seed: Stream) -> None:
    short = few(seed, "timer", "hpet", "ps2kbd", "i8259")
    alone = order(short, FIRST)
    first, second = order(short, (0, 2, 0)), order(short, (1, 2, 0))
    for other in (first, second):  # which of two sections has a value already depends on whose turn it is
        assert (Counter(alone) - Counter(other)).total() <= len(alone) // 100
    early = len(alone) // 4
    both = Counter(first[:early]) & Counter(second[:early])
    assert sum(both.values()) < early // 4  # fields of arrays are called alike


def test_a_worker_that_is_started_again_goes_on_about_where_it_was(seed: Stream) -> None:
    short = few(seed, "timer", "hpet", "ps2kbd", "i8259")
    alone = order(short, FIRST)
    executions = len(alone) // 10
    again = order(short, (0, 1, executions))
    for one, other in (alone, again), (again, alone):  # which of two sections has a value already, as above
        assert (Counter(one) - Counter(other)).total() <= len(alone) // 100
    early = executions * 4
    both = Counter(again[: early // 2]) & Counter(alone[:early])
    assert sum(both.values()) < early // 8
    assert order(short, (0, 1, len(alone))) == []  # made long ago


def test_a_section_of_which_there_is_much_to_try_has_room_for_more_at_a_time() -> None:
    source = stream("pc-small")
    processor = source.section("cpu")
    assert processor is not None
    sweep, most = Sweep([source], Scene(donors=(source,))), 0
    for number in range(60):
        made = sweep.mutant(Dice(number))
        assert made is not None
        sweep.answer("")
        changed = made.section("cpu")
        index = index_of(processor)
        if changed is None or index is None or len(changed.payload) != len(processor.payload):
            continue
        leaves = [leaf for found in index.places.values() for leaf in found if leaf.size <= 8]
        most = max(most, sum(read_leaf(changed, leaf) != read_leaf(processor, leaf) for leaf in leaves))
    assert most > 6


def test_a_list_that_was_worked_out_before_is_the_same(seed: Stream) -> None:
    short = few(seed, "timer", "hpet")
    early, late = Sweep([short], scene()), Sweep([short], scene())
    early.prepare()
    assert early.left == late.left > 0
    first, second = early.mutant(Dice(1)), late.mutant(Dice(1))
    assert first is not None
    assert second is not None
    assert write(first) == write(second)


def test_what_was_read_before_a_refusal_goes_with_what_is_next(seed: Stream) -> None:
    short = few(seed, "timer", "hpet", "ps2kbd", "i8259")
    sweep, dice = Sweep([short], scene()), Dice(3)

    def changed(made: Stream) -> dict[str, bytes]:
        pairs = zip(short.sections, made.sections, strict=False)
        return {new.name: new.payload for old, new in pairs if old.name == new.name and old.payload != new.payload}

    refused: dict[str, bytes] = {}
    while not {"hpet", "ps2kbd"} <= refused.keys():
        made = sweep.mutant(dice)
        assert made is not None
        refused = changed(made)
        sweep.answer("ps2kbd/0" if {"hpet", "ps2kbd"} <= refused.keys() else "")
    made = sweep.mutant(dice)
    assert made is not None
    assert changed(made)["hpet"] == refused["hpet"]
