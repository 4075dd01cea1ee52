"""The answer to the thread: every design is in it, and every witness that it names shows what it is named for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fuzz.corpus import shipped_machines
from fuzz.crashers import read_crasher
from model import DESIGNS, REFERENCE

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "answer.md").read_text()
CRASHERS = {path.stem: path for path in (ROOT / "corpus" / "crashers").glob("*.vmstate")}
NAME = re.compile(r"`([a-z0-9-]+)`")


def rows() -> list[tuple[str, str]]:
    """(design, witness) of the table of what breaks each design; a row without a design belongs to the one above."""
    table = TEXT.split("## What breaks each design")[1].split("\n## ")[0]
    found = []
    designs: list[str] = []
    for line in table.splitlines():
        if not line.startswith("| ") or line.startswith(("| design", "|---")):
            continue
        first, _, last = (cell.strip() for cell in line.strip("|").split("|"))
        designs = NAME.findall(first) or designs
        found += [(design, witness) for design in designs for witness in NAME.findall(last) or [""]]
    return found


ROWS = rows()


def test_every_design_has_a_row() -> None:
    assert {design for design, _ in ROWS} | {REFERENCE.name} == set(DESIGNS)


@pytest.mark.parametrize(("design", "witness"), [row for row in ROWS if row[1]], ids=lambda value: value)
def test_a_witness_shows_what_it_is_named_for(design: str, witness: str) -> None:
    """What it shows is what tests/test_crashers.py holds it to."""
    crasher = read_crasher(CRASHERS[witness])
    assert crasher.expect[design]["causes"]


def test_all_that_is_named_is_there() -> None:
    known = {*DESIGNS, *CRASHERS, *shipped_machines()}
    claims = TEXT.split("## The thread's claims")[1]
    named = {name for name in NAME.findall(claims) if name.count("-") >= 2}
    assert named <= known
