"""Trials of RAM: its list of blocks, its pages, its ends."""

from __future__ import annotations

from mutants import machine, stream

from fuzz.mutate.ram_trials import trials_of_ram
from model import REFERENCE, Outcome, load
from vmformat import Stream, write


def made() -> dict[str, Stream]:
    one = stream("pc-small")
    return {name: found for name, change in trials_of_ram(one) if (found := change(one)) is not None}


def outcome_of(one: Stream) -> Outcome:
    pc = machine("pc-small")
    outcome = load(pc, write(one), REFERENCE())
    pc.reset()
    return outcome


def test_no_two_are_alike() -> None:
    found = [write(one) for one in made().values()]
    assert len(set(found)) == len(found) > 80


def test_pages_in_a_block_are_taken_and_the_one_behind_it_is_not() -> None:
    found = made()
    for name in ("fill", "last", "continued", "packed of a run", "flag 0x2"):
        assert outcome_of(found[f"ram:{name}"]).verdict == "accepted", name
    for name in ("behind pc.ram", "full behind", "name 'none'", "packed too long", "packed beyond", "flag 0x1"):
        assert outcome_of(found[f"ram:{name}"]).verdict == "refused", name


def test_nothing_can_be_continued_before_a_block_was_named() -> None:
    assert outcome_of(made()["ram:first:continued"]).messages[0].startswith("Ack, bad migration stream")


def test_blocks_are_of_other_lengths_than_here() -> None:
    found = made()
    assert "Size mismatch" in outcome_of(found["ram:list:0:page less"]).messages[0]
    assert "Size too large" in outcome_of(found["ram:list:1:top"]).messages[0]
    assert outcome_of(found["ram:list:1:page more"]).verdict == "accepted"
    assert "Unknown ramblock" in outcome_of(found["ram:list:part of a name"]).messages[0]


def test_a_stream_without_ram_has_none() -> None:
    whole = stream("pc-small")
    bare = Stream(records=tuple(one for one in whole.records if getattr(one, "name", "") != "ram"))
    assert list(trials_of_ram(bare)) == []
