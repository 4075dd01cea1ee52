"""The life of a process beyond one load: stage by stage, an outcome each.

Three lives, each beginning with the load of a stream:

- `resume`: the guest is started. What the run-state change does: checks that a design put off, requests that begin
  anew through what was mapped while loading, rings that are read through the caches they have.
- `resave`: the machine saves itself, and a new process loads that. What is wrong in the saved stream stays wrong for
  ever; so both saved streams, the candidate's and the reference's, are loaded under the reference design.
- `loadvm`: a snapshot load, whose failure does not end the process. Then `system_reset`; then the same stream again,
  before which the program resets itself as before every snapshot load; then, where the first load failed, the
  machine's own default stream (`recovery`).

The loads of one process share `Machine.process`, where a design keeps what outlives a load, and the memory API's
transaction as the stage before has left it. Nothing is put back between stages. What is wrong with a life,
`model.aftermath` says.

Cost: a life takes three loads or four; nobody lives who is not asked to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from model.default_stream import default_stream
from model.designs import REFERENCE
from model.load_state import LoadState
from model.loader import carry_out, load, run
from model.saved import saved_stream
from model.schedule import EMPTY_SCHEDULE
from model.seeded.faulty import bug_of
from vmformat import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.designs import Design
    from model.machine import Machine
    from model.outcome import Outcome, Verdict
    from model.schedule import Schedule
    from vmformat import Refusal

LOAD: Final = "load"
LIVES: Final = ("resume", "resave", "loadvm")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a life, by name, and what came of it."""

    name: str
    outcome: Outcome


def live(
    machine: Machine,
    data: bytes,
    design: type[Design],
    life: str,
    *,
    loadvm: bool = False,
    schedule: Schedule = EMPTY_SCHEDULE,
) -> tuple[Stage, ...]:
    """One of `LIVES` under a design, as far as the process lives; the machine is pristine before and after.

    Each load gets an object of the design of its own. `loadvm`: the first load is one of a snapshot, as it always is in
    the life of that name. `schedule`: what others do during the first load. Raises what `model.load` raises, and leaves
    the machine as it then is.
    """
    loadvm = loadvm or life == "loadvm"
    with bug_of(design):
        first = LoadState(machine, data, design(), machine.process, loadvm=loadvm, schedule=schedule)
        stages = tuple(_LIFE[life](first, data, design))
    machine.reset()
    return stages


def stages_of(
    machine: Machine,
    data: bytes,
    design: type[Design],
    *,
    loadvm: bool = False,
    schedule: Schedule = EMPTY_SCHEDULE,
) -> tuple[Stage, ...]:
    """What a stream is judged by: its load, or as a snapshot the life that begins so; as `live`."""
    if loadvm:
        return live(machine, data, design, "loadvm", schedule=schedule)
    outcome = load(machine, data, design(), schedule=schedule)
    machine.reset()
    return (Stage(LOAD, outcome),)


def _resume(load: LoadState, _data: bytes, _design: type[Design]) -> Iterator[Stage]:
    yield (first := Stage(LOAD, run(load)))
    if first.outcome.verdict == "accepted":
        state = _next(load)
        yield Stage("resume", carry_out(state, lambda: _start(state, heard=load.running)))


def _start(state: LoadState, *, heard: bool) -> tuple[Verdict, Refusal | None]:
    """The guest is started. `heard`: the design has heard so at the end of the load already."""
    state.running = True
    state.run_state = "running"
    if not heard:
        state.hooks.run_state_change(state)
    for handler in state.machine.handlers:
        if handler in state.machine.touched and handler.effects is not None:
            handler.effects.resume(state)
    return "accepted", None


def _resave(load: LoadState, data: bytes, design: type[Design]) -> Iterator[Stage]:
    machine = load.machine
    yield (first := Stage(LOAD, run(load)))
    saved = saved_stream(data, machine) if first.outcome.verdict == "accepted" else None
    if saved is not None:
        machine.reset()
        outcome = run(LoadState(machine, saved, REFERENCE(), machine.process))
        yield Stage("resave", replace(outcome, design=design.name))


def _loadvm(load: LoadState, data: bytes, design: type[Design]) -> Iterator[Stage]:
    machine = load.machine
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
    return machine.spare or _new_spare(machine)


def _new_spare(machine: Machine) -> bytes:
    machine.spare = write(default_stream(machine.description))
    return machine.spare


_LIFE: Final = {"resume": _resume, "resave": _resave, "loadvm": _loadvm}
