"""lazy-epoch is exact: no harmful use passes it, and it commits only where a change reaches the bytes asked for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from fuzz.programs import WORLDS, Program, Stage, from_text, run
from fuzz.programs.program import VERBS
from fuzz.programs.strategies import programs
from model import DESIGNS

LAZY, ALWAYS = DESIGNS["lazy-epoch"], DESIGNS["v6-do-commit"]
STAGE = Stage(WORLDS["board"])


@given(programs(verbs=frozenset(VERBS), who=("", "vcpu"), max_calls=30))
@settings(max_examples=30)
def test_no_harmful_use_passes_and_few_commits_are_forced(program: Program) -> None:
    lazy, always = run(STAGE, program, LAZY()), run(STAGE, program, ALWAYS())
    if "died" in {lazy.verdict, always.verdict}:
        return
    assert [finding.text for finding in lazy.findings if finding.kind == "guard"] == []
    assert lazy.harmful == 0
    assert lazy.needed <= lazy.forced <= always.forced
    assert lazy.rebuilds <= always.rebuilds


WIDE = "disable shadow; move bar 0x1000; resize bar 0x2000"
OVER = "resize dimm 0x800; add dimm system 0x2000 1"
COUNTED = {
    # text, commits forced, those that were needed
    "a change elsewhere": ("move ram 0x4000; read memory 0x4800 0x1", 0, 0),
    "the change itself": ("move ram 0x4000; read memory 0x1000 0x1", 1, 1),
    "both ends of a move": ("move ram 0x4000; read memory 0x1000 0x1; read memory 0x5000 0x1", 1, 1),
    "through an alias": ("resize ram 0x400; read io 0x3c00 0x1; read memory 0x8000 0x1", 1, 1),
    "undone": ("disable ram; enable ram; read memory 0x1000 0x1", 1, 0),
    "hidden": ("add dimm card 0x1800 -1; read io 0x2800 0x1", 0, 0),
    "bus master on": ("enable master; read dev 0x1000 0x1", 0, 1),
    "bus master on and a change": ("enable master; disable ram; read dev 0x1000 0x1", 1, 0),
    "bus master on and off": ("enable master; disable master; read dev 0x1000 0x1", 0, 0),
    "a root that nothing was rendered from": ("del bridge; add bridge busmaster 0x0 0; read dev 0x2000 0x1", 1, 1),
    "a mapping's section begins elsewhere": (f"{WIDE}; {OVER}; load; disable dimm; map memory 0x2f00 0x200 r", 1, 1),
    "a mapping's section ends elsewhere": (f"{WIDE}; load; resize bar 0x1800; map memory 0x2f00 0x200 r", 1, 1),
    "a read does not mind": (f"{WIDE}; load; resize bar 0x1800; read memory 0x2f00 0x200", 0, 0),
    "behind an IOMMU": ("disable ram; read io 0x8000 0x1; read io 0xb000 0x1", 1, 1),
    "a root without container moves": ("move top 0x1000; disable ram; read io 0x2000 0x1", 1, 1),
}


@pytest.mark.parametrize(("text", "forced", "needed"), COUNTED.values(), ids=COUNTED)
def test_forced_commits(text: str, forced: int, needed: int) -> None:
    prepared = f"del dimm; {text}" if "load" in text else f"del dimm; load; {text}"
    program = from_text("world board\n" + prepared.replace("; ", "\n"))
    result = run(STAGE, program, LAZY())
    assert (result.verdict, result.findings) == ("ended", ())
    assert (result.forced, result.needed) == (forced, needed)


def test_a_listener_that_changes_the_tree_in_a_begin_callback_is_not_lost() -> None:
    """A forced commit is not the outermost one: the flag falls with what a begin callback marked."""
    program = from_text(
        "world board\nload\nbegin: del flash\nresize top 0x0\nfind flash 0x0 0x1\nread memory 0x5000 0x1\n"
    )
    lazy, always = run(STAGE, program, LAZY()), run(STAGE, program, ALWAYS())
    assert (lazy.verdict, lazy.findings) == ("ended", ())
    assert [str(finding.cause) for finding in always.findings] == ["v6-do-commit/invariant/memory/I5/program"]


def test_without_the_lock_it_cannot_commit() -> None:
    program = from_text("world board\nload\ndisable ram\nbare: read memory 0x1000 0x1\n")
    (finding,) = run(STAGE, program, LAZY()).findings
    assert str(finding.cause) == "lazy-epoch/guard/bare:address_space_read/missed-after-disable/program"
