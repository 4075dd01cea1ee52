"""The end of a load: its outcome, and what is wrong with how it ended, whatever another design does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model import memory as memory_api
from model.layouts import apart, kinds, ranges, space_kind
from model.outcome import At, Cause, Cost, Finding, Outcome
from model.severity import Severity
from model.situation import Situation
from model.uses import with_missed

if TYPE_CHECKING:
    from model.load_state import LoadState
    from model.outcome import Layout, Verdict
    from vmformat import Refusal


def outcome_of(state: LoadState, verdict: Verdict, refusal: Refusal | None) -> Outcome:
    """The outcome of a load that has ended so; whoever was put in the way of the memory is taken away."""
    machine, memory = state.machine, state.memory
    memory.getter = memory_api.current_view
    memory.heard = memory.before_commit = None
    memory.asks_in_commit = False
    memory.has_lock = True
    memory.ram.on_touch = memory_api.nobody
    at = None
    if refusal is not None:
        at = At(refusal.offset, state.section, state.instance, refusal.field, refusal.messages, state.kind)
    if memory.depth != 0 and verdict in {"accepted", "refused"} and not state.exited:
        cause = Cause(state.design.name, "pairing", "loader", "transaction-left-open", "stream")
        text = f"the load ends with {memory.depth} transaction(s) open"
        lives_on = verdict == "accepted" or state.loadvm
        state.findings[cause] = Finding("unpaired transaction", cause, text, None if lives_on else Severity.INVARIANT)
    if verdict == "aborted" and at is not None:
        _abort_finding(state, at)
    layout, told = machine.layout(), machine.told()
    if verdict in {"accepted", "refused"} and not state.exited:
        _listeners(state, layout, told)
    return Outcome(
        design=state.design.name,
        verdict=verdict,
        at=at,
        guest_can_cause=state.guest_can_cause if verdict == "refused" else None,
        messages=tuple(state.messages),
        rebuilds=state.rebuilds,
        forced_commits=state.forced,
        reads_while_pending=tuple(sorted(state.pending_reads.items())),
        harmful_reads=tuple(sorted(state.harmful_reads.items())),
        depth_at_end=memory.depth,
        run_state=state.run_state if verdict == "accepted" else "",
        layout=layout,
        told=told,
        heard=machine.heard(),
        devices=machine.device_states(),
        findings=with_missed(state.findings.values(), guards=state.design.guards),
        not_modelled=tuple(sorted(state.not_modelled)),
        acted=tuple(state.turns.acted),
        asked=tuple(state.pages.asked) if state.pages is not None else (),
        steps=state.steps,
        cost=_cost(state),
        fatal=state.fatal if verdict == "aborted" else None,
        situation=Situation(state.pending.facts(), machine.registers.facts(), machine.distances()),
    )


def _cost(state: LoadState) -> Cost:
    return Cost(state.rebuilds, state.forced, state.forced_rebuilds, *state.work)


def _abort_finding(state: LoadState, at: At) -> None:
    message = at.errors[0] if at.errors else ""
    if "memory_region_transaction_" in message:
        change = "commit-without-lock" if "locked" in message else "commit-without-begin"
        cause = Cause(state.design.name, "pairing", "loader", change, "stream")
        state.findings[cause] = Finding("unpaired transaction", cause, f"at {at.offset:#x}: {message}")


def _listeners(state: LoadState, layout: Layout, told: Layout) -> None:
    """No listener may be left believing what is not so: what it was told, replayed, is the published view."""
    published = dict(layout)
    for space, believed in told:
        rows = published[space]
        if believed is rows or believed == rows:
            continue
        wrong, missed = apart(rows, believed)
        change = f"{kinds(missed)}->{kinds(wrong)}"
        cause = Cause(state.design.name, "listener-trace", "replay", change, space_kind(space))
        text = f"listeners of {space} are left believing in {ranges(wrong)} instead of {ranges(missed)}"
        state.findings[cause] = Finding("misled listener", cause, text)
