"""Numbers and messages as facts: few of each, whatever a stream spells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.targets.situations.words import WORDS, bucket, message_kind, part_of, said
from model.situation import bare


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("VQ 0 size 0x100 < last_avail_idx 0x12", "VQ # size # < last_avail_idx #"),
        ("VQ 31 size 0x40 < last_avail_idx 0xfe", "VQ # size # < last_avail_idx #"),
        ("Unknown ramblock 'pc.ram 7'", "Unknown ramblock '"),
        ('block "a" and "b"', "block ' and '"),
        ("no numbers here", "no numbers here"),
        ("x" * 500, "x" * 160),
    ],
)
def test_a_message_without_what_makes_it_one_of_many(message: str, kind: str) -> None:
    assert message_kind(message) == kind


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Missing section footer for timer", "Missing section footer"),
        ("bad a of it", "bad # of"),
        ("bad ff of it", "bad # of"),
        ("bad face of it", "bad face of"),
        ("one", "one"),
        ("", ""),
    ],
)
def test_what_was_said_first(message: str, words: str) -> None:
    assert said(message) == words


@pytest.mark.parametrize("name", ["c.ram", "pc.rbm", "x"])
def test_what_a_stream_spells_makes_no_facts(name: str) -> None:
    assert said(f"Can't find block {name}") == "Can't find block"
    assert said(f"Unknown savevm section or instance '{name}' 7") == "Unknown savevm section"
    assert said(f"invalid parameter value: {name}") == "invalid parameter value:"


@given(st.text(max_size=200), st.integers(0, 1 << 64), st.integers(0, 1 << 64))
def test_numbers_make_no_other_kind_and_words_are_few(text: str, one: int, other: int) -> None:
    assert len(said(text).split()) <= WORDS
    for form in ("{}", "{:#x}", "'{}'"):
        assert message_kind(f"at {form.format(one)} of") == message_kind(f"at {form.format(other)} of")


@given(st.integers(0, 1 << 70))
def test_buckets_are_powers_of_two(number: int) -> None:
    assert bucket(number) == (0 if number == 0 else next(n for n in range(1, 72) if number < 1 << n))


@given(st.integers(0, 300), st.integers(2, 256))
def test_bounds_and_their_neighbours_are_told_apart(number: int, whole: int) -> None:
    words = part_of(number, whole)
    assert (words == "none") == (number == 0)
    assert (words == "all") == (number == whole)
    assert (words == "all but one") == (number == whole - 1)
    assert (words == "one too many") == (number == whole + 1)
    assert (words == "too many") == (number > whole + 1)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("virtio-pci-0", "virtio-pci-#"),
        ("virtio-pci-17", "virtio-pci-#"),
        ("pc.ram", "pc.ram"),
        ("cpu-memory-3", "cpu-memory-#"),
        ("queue[12].num", "queue#.num"),
        ("pam-ram", "pam-ram"),
        ("ram0", "ram#"),
    ],
)
def test_names_of_many_are_one(name: str, plain: str) -> None:
    assert bare(name) == plain
