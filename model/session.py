"""The life of a process beyond one load: stage by stage, an outcome each, and how two lives differ.

Three lives, each beginning with the load of a stream:

- `resume`: the guest is started. What the run-state change does: checks that a design put off, requests that begin
  anew through what was mapped while loading, rings that are read through the caches they have.
- `resave`: the machine saves itself, and a new process loads that. What is wrong in the saved stream stays wrong for
  ever; so both saved streams, the candidate's and the reference's, are loaded under the reference design.
- `loadvm`: a snapshot load, whose failure does not end the process. Then `system_reset`; then the same stream again,
  before which the program resets itself as before every snapshot load; then, where the first load failed, the
  machine's own default stream (`recovery`).

The loads of one process share `Machine.process`, where a design keeps what outlives a load, and the memory API's
transaction as the stage before has left it. Nothing is put back between stages.

A finding of a later stage names it in its oracle: `reset-layout`, `again-verdict`, `resume-device-state`,
`resave-device-state`. `again`, `recovery` and `resume` are silent about what the load showed already, and all of them
where the verdicts of the load parted: what follows then follows from that. A reset that changes no view, because a
transaction was left open, is `reset` itself (stream.md 2.9, row 9).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from model.compare import judge
from model.default_stream import default_stream
from model.designs import REFERENCE
from model.loader import LoadState, carry_out, run
from model.outcome import Cause, Finding
from model.saved import saved_stream
from vmformat import write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from model.designs import Design
    from model.machine import Machine
    from model.outcome import Outcome, Verdict
    from vmformat import Refusal

LOAD: Final = "load"
LIVES: Final = ("resume", "resave", "loadvm")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a life, by name, and what came of it."""

    name: str
    outcome: Outcome


def live(machine: Machine, data: bytes, design: type[Design], life: str) -> tuple[Stage, ...]:
    """One of `LIVES` under a design, as far as the process lives; the machine is pristine before and after.

    Each load gets an object of the design of its own. Raises what `model.load` raises.
    """
    try:
        return tuple(_LIFE[life](machine, data, design))
    finally:
        machine.reset()


def _resume(machine: Machine, data: bytes, design: type[Design]) -> Iterator[Stage]:
    load = LoadState(machine, data, design(), machine.process)
    yield (first := Stage(LOAD, run(load)))
    if first.outcome.verdict == "accepted":
        state = _next(load)
        yield Stage("resume", carry_out(state, lambda: _start(state)))


def _start(state: LoadState) -> tuple[Verdict, Refusal | None]:
    state.running = True
    state.run_state = "running"
    state.design.run_state_change(state)
    for handler in state.machine.handlers:
        if handler in state.machine.touched and handler.effects is not None:
            handler.effects.resume(state)
    return "accepted", None


def _resave(machine: Machine, data: bytes, design: type[Design]) -> Iterator[Stage]:
    yield (first := Stage(LOAD, run(LoadState(machine, data, design(), machine.process))))
    saved = saved_stream(data, machine) if first.outcome.verdict == "accepted" else None
    if saved is not None:
        machine.reset()
        outcome = run(LoadState(machine, saved, REFERENCE(), machine.process))
        yield Stage("resave", replace(outcome, design=design.name))


def _loadvm(machine: Machine, data: bytes, design: type[Design]) -> Iterator[Stage]:
    load = LoadState(machine, data, design(), machine.process, loadvm=True)
    yield (stage := Stage(LOAD, run(load)))
    failed = stage.outcome.verdict == "refused"
    for name, stream in (("reset", None), ("again", data), ("recovery", _spare(machine) if failed else None)):
        if not _lives(stage, load):
            return
        if name == "recovery" and stream is None:
            return
        load = _next(load) if stream is None else _next(load, stream, design())
        yield (stage := Stage(name, _reset(load) if stream is None else _again(load)))


def _lives(stage: Stage, load: LoadState) -> bool:
    """Whether the process is there for another stage."""
    return stage.outcome.verdict in {"accepted", "refused"} and not load.exited


def _reset(state: LoadState) -> Outcome:
    def work() -> tuple[Verdict, Refusal | None]:
        state.machine.system_reset()
        return "accepted", None

    return carry_out(state, work)


def _again(state: LoadState) -> Outcome:
    """A snapshot load into a machine that has been loaded: it is reset first."""
    reset = _reset(state)
    return reset if reset.verdict != "accepted" else run(state)


def _next(load: LoadState, data: bytes = b"", design: Design | None = None) -> LoadState:
    """The process goes on, under the design of before unless another load brings its own."""
    machine = load.machine
    state = LoadState(machine, data, design or load.design, machine.process, loadvm=load.loadvm)
    for handler in machine.handlers:
        if handler in machine.touched and handler.effects is not None:
            handler.effects.follow(state)
    return state


def _spare(machine: Machine) -> bytes:
    """The machine's default stream, made once."""
    if not machine.spare:
        machine.spare = write(default_stream(machine.description))
    return machine.spare


_LIFE: Final = {"resume": _resume, "resave": _resave, "loadvm": _loadvm}


def judge_life(reference: Sequence[Stage], candidate: Sequence[Stage]) -> tuple[Finding, ...]:
    """What is wrong with a life beyond its load, against the same life under the reference design."""
    found: dict[Cause, Finding] = {}
    seen: set[tuple[str, ...]] = set()
    parted = False
    for before, (old, new) in enumerate(zip(reference, candidate, strict=False), start=-1):
        findings = judge(old.outcome, new.outcome, survives_failure=True)
        if old.name == LOAD:
            seen.update(_without_design(finding) for finding in findings)
            parted = old.outcome.verdict != new.outcome.verdict
            continue
        if old.name == "reset":
            found |= {finding.cause: finding for finding in _frozen(reference[before], old, candidate[before], new)}
        if parted:
            continue
        findings = tuple(one for one in findings if _is_news(one, old.name, seen))
        for finding in findings:
            renamed = replace(finding.cause, oracle=f"{old.name}-{finding.cause.oracle}")
            text = f"{old.name}: {finding.text}"
            found.setdefault(renamed, replace(finding, cause=renamed, text=text, rank=finding.severity))
    return tuple(sorted(found.values()))


def _is_news(finding: Finding, stage: str, seen: set[tuple[str, ...]]) -> bool:
    """Whether a finding of a stage says more than the load did: it lasts, or it is another one."""
    lasts = stage == "resave" or (stage == "reset" and finding.cause.oracle == "layout")
    return lasts or _without_design(finding) not in seen


def _without_design(finding: Finding) -> tuple[str, ...]:
    cause = finding.cause
    return (cause.oracle, cause.reader, cause.change, cause.device)


def _frozen(old_load: Stage, old: Stage, new_load: Stage, new: Stage) -> Iterator[Finding]:
    """The reset changes views, and under the design none."""
    changed = _changed(old_load.outcome, old.outcome)
    if not changed or _changed(new_load.outcome, new.outcome) or not new.outcome.depth_at_end:
        return
    design, depth = new.outcome.design, new.outcome.depth_at_end
    text = (
        f"system_reset changes the view of no address space, of {changed} under {old.outcome.design}: "
        f"{depth} transaction(s) open since the load, and the layout never changes again"
    )
    yield Finding("divergence", Cause(design, "reset", "system_reset", "nothing-changes", "machine"), text)


def _changed(before: Outcome, after: Outcome) -> int:
    pairs: Iterable[tuple[object, object]] = zip(before.layout, after.layout, strict=True)
    return sum(1 for old, new in pairs if old != new)
