"""Programs: three forms of one value, worlds, and how programs become smaller."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.programs import (
    WORLDS,
    Call,
    Judge,
    Program,
    ProgramError,
    Stage,
    decode,
    encode,
    from_text,
    run,
    shrink,
)
from fuzz.programs.program import MAX_CALLS, WHO
from fuzz.programs.strategies import programs
from model import DESIGNS, REFERENCE

ANY = st.sampled_from(sorted(WORLDS)).flatmap(lambda world: programs(world, who=WHO, max_calls=8))


@given(ANY)
@settings(max_examples=30)
def test_text_and_bytes_mean_the_same(program: Program) -> None:
    assert from_text(program.text()) == program
    assert decode(encode(program)) == program


@given(st.binary(max_size=120))
def test_any_bytes_are_a_program(data: bytes) -> None:
    program = decode(data)
    assert len(program.calls) <= MAX_CALLS
    assert decode(encode(program)) == program


def test_literal_bytes() -> None:
    program = Program("abcd", (Call("add", ("D", "C", 0x800, -1)), Call("read", ("memory", 0x1234, 1), "vcpu")))
    assert encode(program).hex(" ") == "01 00 00 02 04 01 61 00 ff 00 00 00 00 00 00 12 34 c0"
    assert program.text() == "world abcd\nadd D C 0x800 -1\nvcpu: read memory 0x1234 0x1\n"


WRONG = {
    "nothing": ("", "expected a line `world NAME`, found nothing"),
    "no world": ("begin", "line 1: expected `world` and one of board, abcd, found 'begin'"),
    "no verb": ("world abcd\n\njump A", "line 3: expected a verb (add, del, move,"),
    "operands": ("world abcd\ndel", "line 2: del takes region, found nothing"),
    "a region": ("world abcd\ndel E", "line 2: expected a region (D, B, C, A), found E"),
    "a number": ("world abcd\nmove B x", "line 2: expected a at of 0x0..0xffffffffffffffff, found x"),
    "a caller": ("world abcd\nnobody: del B", "line 2: expected one of begin, commit, vcpu, bare before the colon"),
    "too much": ("world abcd\n" + "begin\n" * 65, "expected at most 64 calls, found 65"),
}


@pytest.mark.parametrize(("text", "error"), WRONG.values(), ids=WRONG)
def test_texts_that_are_no_program(text: str, error: str) -> None:
    with pytest.raises(ProgramError) as caught:
        from_text(text)
    assert str(caught.value).startswith(error)


def test_comments_and_blank_lines_count_nothing() -> None:
    assert from_text("# why\n\nworld abcd # four regions\n begin \n").calls == (Call("begin"),)


LEFT_OUT = """world abcd
add B A 0x0 0
del C
commit
close x0
read x0 0x0 0x1
add A C 0x0 0
offset D 0x0
bare: del B
begin: section
use c0
check c0
"""


def test_what_would_kill_the_program_is_left_out() -> None:
    result = run(Stage(WORLDS["abcd"]), from_text(LEFT_OUT), REFERENCE(), check=True)
    assert (result.verdict, result.findings) == ("ended", ())
    assert [line for line in result.log if "left out" in line] == [
        "  left out: it takes the lock",
        "  left out: listeners change the tree or read",
    ]


TWO_OF_EVERYTHING = """world board
del ram
del bar
resize ram 0x10000000000000000
resize bar 0x10000000000000000
add ram top 0x0 2
add bar top 0x0 2
"""


def test_where_qemu_asserts_the_program_dies_and_nobody_is_to_blame() -> None:
    result = run(Stage(WORLDS["board"]), from_text(TWO_OF_EVERYTHING), REFERENCE(), check=True)
    assert (result.verdict, result.findings) == ("died", ())


LONG = """world abcd
readonly B on
add C A 0x1800 1
load
begin
add D C 0x10 2
commit
vcpu: read memory 0x1900 0x20
section
"""


def test_a_program_shrinks_to_what_shows_its_cause() -> None:
    cause = "stale-list/guard/address_space_read/missed-after-add/program"
    judge = Judge([DESIGNS["stale-list"]])

    def keeps(candidate: Program) -> bool:
        return any(str(found.cause) == cause for side in judge.judge(candidate) for found in side.findings)

    text = (
        "readonly B on\nadd C A 0x1800 1\nload\nbegin\nadd D C 0x10 2\ncommit\nvcpu: read memory 0x1900 0x20\nsection\n"
    )
    smallest = shrink(from_text(f"world abcd\n{text}"), keeps)
    assert smallest.text() == "world abcd\nadd C A 0x0 0\nadd D C 0x0 0\nread memory 0x0 0x1\n"
