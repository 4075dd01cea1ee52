"""Begin and commit that do not pair: each way is reached by a small wrong design and found, with its rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tiny

from model import REFERENCE, Cause, Design, judge_life, load
from model.outcome import Finding
from model.session import live
from model.severity import Severity

if TYPE_CHECKING:
    from model.designs import Load
    from model.memory import AddressSpace, FlatView, Use
    from vmformat import Refusal

MAPPED = tiny.HEADER + tiny.blk(command=6, bar=0x200_0000, desc=0x3000, avail=0x4000, used=0x5000) + tiny.EOF


class BeginsOnly(Design):
    """Nobody commits."""

    name = "begins-only"

    def load_begins(self, load: Load) -> None:
        load.memory.begin()


class CommitsOnly(Design):
    """Nobody begins."""

    name = "commits-only"

    def end_of_stream(self, load: Load) -> None:
        load.memory.commit()


class ForgetsErrors(BeginsOnly):
    """Commits where the stream ends as it should."""

    name = "forgets-errors"

    def end_of_stream(self, load: Load) -> None:
        load.memory.commit()


class OnceInALife(BeginsOnly):
    """Commits for the first load of a process alone."""

    name = "once-in-a-life"

    def load_ends(self, load: Load, error: Refusal | None) -> None:
        if "done" not in load.process:
            load.process["done"] = True
            load.memory.commit()


class WithoutTheLock(BeginsOnly):
    """Commits between sections, where a loader of its own thread has let the lock go."""

    name = "without-the-lock"
    takes_turns = True

    def end_of_stream(self, load: Load) -> None:
        load.memory.commit()


class Recurses(Design):
    """Every reader commits, and a commit reads."""

    name = "recurses"
    asks_in_commit = True

    def load_begins(self, load: Load) -> None:
        load.memory.begin()

    def load_ends(self, load: Load, error: Refusal | None) -> None:
        load.memory.commit()

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        if load.memory.update_pending:
            load.forced_commit()
        return space.current


WAYS = {
    "begin without commit": (BeginsOnly, MAPPED, "accepted", "transaction-left-open", Severity.WRONG_STATE),
    "commit without begin": (CommitsOnly, MAPPED, "aborted", "commit-without-begin", Severity.ASSERTION),
    "left open after an error, which ends the program": (
        ForgetsErrors, MAPPED[:-9], "refused", "transaction-left-open", Severity.INVARIANT,
    ),
    "commit without the lock": (WithoutTheLock, MAPPED, "aborted", "commit-without-lock", Severity.ASSERTION),
    "recursion without end": (Recurses, MAPPED, "aborted", "recursion-without-end", Severity.ASSERTION),
}  # fmt: skip


@pytest.mark.parametrize(("design", "data", "verdict", "change", "severity"), WAYS.values(), ids=WAYS.keys())
def test_each_way_is_found(design: type[Design], data: bytes, verdict: str, change: str, severity: Severity) -> None:
    outcome = load(tiny.machine(), data, design())
    assert outcome.verdict == verdict, outcome
    (finding,) = [one for one in outcome.findings if one.cause.oracle == "pairing"]
    assert finding.cause.change == change
    assert finding.severity is severity


def test_the_reference_pairs() -> None:
    machine = tiny.machine()
    for _, data, *_ in WAYS.values():
        assert load(machine, data, REFERENCE()).findings == ()
        machine.reset()


def test_a_transaction_left_open_is_worse_where_the_process_lives_on() -> None:
    outcome = load(tiny.machine(), MAPPED[:-9], ForgetsErrors(), loadvm=True)
    (finding,) = [one for one in outcome.findings if one.cause.oracle == "pairing"]
    assert (outcome.verdict, finding.severity) == ("refused", Severity.WRONG_STATE)


def test_a_second_load_of_the_process_is_found_at_its_stage() -> None:
    machine = tiny.machine()
    found = judge_life(*(live(machine, MAPPED, design, "loadvm") for design in (REFERENCE, OnceInALife)))
    (finding,) = [one for one in found if "pairing" in one.cause.oracle]
    assert str(finding.cause) == "once-in-a-life/again-pairing/loader/transaction-left-open/stream"
    by_cause_alone = Finding(finding.kind, Cause.parse(str(finding.cause)), "")
    assert finding.severity is by_cause_alone.severity is Severity.WRONG_STATE
