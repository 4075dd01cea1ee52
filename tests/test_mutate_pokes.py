"""Changes in place: what they write, where they have nothing to do, and that several come to what each would."""

from __future__ import annotations

import pytest
from mutants import leaf_of, stream

from fuzz.mutate import Dice, Scene
from fuzz.mutate.index import altered_by, index_of, read_leaf
from fuzz.mutate.pokes import Poke, all_bits, filling, flipping, is_apart, setting
from fuzz.mutate.sweep import Sweep
from fuzz.mutate.trials import enumerate_trials
from vmformat import Section, StreamError


def section(kind: str) -> Section:
    return next(one for one in stream("pc-small").sections if one.name.rpartition("/")[2] == kind)


def test_a_number_is_written_modulo_its_size_in_its_own_order() -> None:
    hpet = section("hpet")
    made = setting("isr", 0, 1 << 64 | 5)(hpet)
    assert made is not None
    assert read_leaf(hpet, leaf_of(hpet, "isr")) == 0
    assert read_leaf(made, leaf_of(made, "isr")) == 5
    assert sum(one != other for one, other in zip(made.payload, hpet.payload, strict=True)) == 1
    assert index_of(made) is index_of(hpet)  # nothing has moved


def test_what_stands_there_already_or_nowhere_is_nothing_to_do() -> None:
    hpet = section("hpet")
    there = read_leaf(hpet, leaf_of(hpet, "num_timers"))
    assert setting("num_timers", 0, there)(hpet) is None
    assert setting("num_timers", 1, 0)(hpet) is None
    assert setting("no_such_field", 0, 0)(hpet) is None
    assert flipping(len(hpet.payload), b"\1")(hpet) is None
    assert all_bits(0, b"\0\0", ones=True)(hpet) is None


def test_what_has_no_room_is_nothing_to_do() -> None:
    short = section("hpet").replace_payload(b"abc")
    assert Poke(lambda _: (2, b"xy"))(short) is None
    assert Poke(lambda _: (1, b"xy"))(short) == short.replace_payload(b"axy")


@pytest.mark.parametrize(
    ("poke", "expected"),
    [
        (flipping(0, b"\x01\x80"), b"\x11\x92\x14"),
        (flipping(2, b"\xff\xff"), b"\x10\x12\xeb"),
        (all_bits(1, b"\x03", ones=True), b"\x10\x13\x14"),
        (all_bits(0, b"\x30\x02", ones=False), b"\x00\x10\x14"),
    ],
)
def test_bits_are_turned_set_and_cleared(poke: Poke, expected: bytes) -> None:
    made = poke(section("hpet").replace_payload(b"\x10\x12\x14"))
    assert made is not None
    assert made.payload == expected


def test_a_value_is_filled_and_nothing_beside_it() -> None:
    hpet = section("hpet")
    made = filling("isr", 0, 0xAA)(hpet)
    assert made is not None
    leaf = leaf_of(made, "isr")
    assert made.payload[leaf.offset : leaf.offset + leaf.size] == b"\xaa" * leaf.size
    assert made.payload[: leaf.offset] == hpet.payload[: leaf.offset]
    assert made.payload[leaf.offset + leaf.size :] == hpet.payload[leaf.offset + leaf.size :]


def test_edits_are_apart_that_share_no_byte() -> None:
    assert is_apart((4, b"ab"), [(2, b"xy"), (6, b"z")])
    assert not is_apart((4, b"ab"), [(3, b"xy")])
    assert not is_apart((4, b"ab"), [(5, b"x")])
    assert not is_apart((4, b"ab"), [(0, b"0123456789")])


def test_several_edits_come_to_what_one_after_the_other_does() -> None:
    hpet = section("hpet")
    pokes = [setting("num_timers", 0, 9), flipping(3, b"\x55"), filling("isr", 0, 1)]
    edits = [edit for poke in pokes if (edit := poke.edit(hpet)) is not None]
    one_by_one: Section | None = hpet
    for poke in pokes:
        assert one_by_one is not None
        one_by_one = poke(one_by_one)
    assert altered_by(hpet, edits) == one_by_one
    with pytest.raises(StreamError, match="a place within"):
        altered_by(hpet, [(0, b"\0"), (len(hpet.payload), b"\0")])


def test_no_trial_of_a_mutant_is_written_over_by_another() -> None:
    """Two values of one field in one mutant would have one of them ticked off unseen."""
    whole = stream("pc-small")
    hpet = whole.with_records([section("hpet")])
    trials = [trial for trial in enumerate_trials([hpet], Scene()) if isinstance(trial.change, Poke) and trial.shares]
    wanted = {
        edit for trial in trials if isinstance(trial.change, Poke) and (edit := trial.change.edit(section("hpet")))
    }
    assert len(wanted) > len({edit[0] for edit in wanted})  # fields have several values
    sweep = Sweep([hpet], Scene())
    seen: set[tuple[int, bytes]] = set()
    while (made := sweep.mutant(Dice(len(seen)))) is not None:
        for one in made.records:
            if isinstance(one, Section) and len(one.payload) == len(section("hpet").payload):
                seen |= {(at, data) for at, data in wanted if one.payload[at : at + len(data)] == data}
        sweep.answer("")
    assert seen >= wanted
