"""Trials of commands: at the end of a stream, where they may be and where they may not."""

from __future__ import annotations

from mutants import machine, stream

from fuzz.mutate.commanded import trials_of_commands
from fuzz.mutate.places import Places
from model import REFERENCE, Outcome, load
from vmformat import Command, Eof, Stream, write

PLACES = Places(below_4g=16 << 20)


def made() -> dict[str, Stream]:
    one = stream("pc-small")
    return {name: found for name, change in trials_of_commands(one, PLACES) if (found := change(one)) is not None}


def outcome_of(one: Stream) -> Outcome:
    pc = machine("pc-small")
    outcome = load(pc, write(one), REFERENCE())
    pc.reset()
    return outcome


def test_they_stand_behind_all_sections_and_the_first_of_them_before_all() -> None:
    for name, one in made().items():
        at = next(i for i, record in enumerate(one.records) if isinstance(record, Command))
        assert at == (0 if name.startswith("first:") else len(stream("pc-small").records) - 1), name
        assert isinstance(one.records[-1], Eof)


def test_the_loader_says_every_thing_that_it_has_to_say_of_an_order() -> None:
    said = "\n".join(line for one in made().values() for line in outcome_of(one).messages)
    for words in (
        "no return path", "ADVISE in wrong", "LISTEN in wrong", "RUN in wrong", "RAM_DISCARD in wrong",
        "Unaligned start", "Unaligned length", "Overrun block", "Failed to find block", "invalid version",
        "missing nil", "bad length - expecting 4", "block 'none' not found", "MIG_CMD 0xb unknown",
    ):  # fmt: skip
        assert words in said
