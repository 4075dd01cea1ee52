"""Trials of a stream's header and configuration: each is looked at by the loader, and none of them is another."""

from __future__ import annotations

from mutants import machine, stream

from fuzz.mutate.fronts import trials_of_front
from model import REFERENCE, load
from vmformat import Stream, write


def made() -> dict[str, Stream]:
    one = stream("pc-small")
    return {name: found for name, change in trials_of_front(one) if (found := change(one)) is not None}


def verdict(one: Stream) -> str:
    pc = machine("pc-small")
    outcome = load(pc, write(one), REFERENCE())
    pc.reset()
    return outcome.verdict


def test_no_two_are_alike() -> None:
    found = [write(one) for one in made().values()]
    assert len(set(found)) == len(found) > 40


def test_a_prefix_of_the_machine_is_taken_and_more_than_its_name_is_not() -> None:
    found = made()
    assert verdict(found["name:prefix"]) == verdict(found["name:empty"]) == "accepted"
    assert verdict(found["name:longer"]) == verdict(found["name:first"]) == "refused"


def test_subsections_are_of_the_destinations_page_size_and_of_others() -> None:
    verdicts = {verdict(one) for name, one in made().items() if name.startswith("configuration/")}
    assert verdicts == {"accepted", "refused"}


def test_a_length_beyond_all_memory_is_among_them() -> None:
    assert verdict(made()["name:length:0xffffffff"]) == "aborted"


def test_a_stream_without_a_configuration_has_none() -> None:
    bare = Stream(records=stream("pc-small").records)
    assert bare.configuration is None
    assert list(trials_of_front(bare)) == []
