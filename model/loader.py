"""The one loop that all designs share: it eats a stream as QEMU 7.2's incoming side does, and says how that ended.

The loop reads with the destination's schemas only, in order, and stops where the program would stop; a read past the
end gives zeros and latches an error that somebody tests later. So truncated, garbled and hostile streams need no case
of their own: they run through the same code (stream.md 2.1-2.5). A `LoadState` is one such load.

What ends a load: a value (`Refusal`) where the program returns an error or exits; an exception where it dies on the
spot (`Abort`), calls exit from the depth of a device (`Exit`), or spends its budget of steps (`Hang`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from model import sections
from model.commands import DISCARD, GO_ON, LISTENING, Done, run_command
from model.ending import outcome_of
from model.errors import Abort, Exit, Hang, Killed
from model.header import load_header
from model.load_state import FULL, LoadState
from model.memory import nobody
from model.outcome import Outcome
from model.raised import hook_of
from model.schedule import EMPTY_SCHEDULE
from model.seeded.faulty import bug_of
from vmformat import Reader, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.designs import Design
    from model.machine import Machine
    from model.outcome import Verdict
    from model.quiet import QuietRecords
    from model.rehearsal.recording import Recording
    from model.schedule import Schedule

EOF, START, PART, END, COMMAND = 0x00, 0x01, 0x02, 0x03, 0x08
EINVAL: Final = 22
MAX_DEPTH: Final = 10_000
"""Model: loops inside loops overflow the program's stack somewhere between 4,000 and 20,000 (stream.md 1.7)."""


def load(
    machine: Machine,
    data: bytes,
    design: Design,
    *,
    loadvm: bool = False,
    schedule: Schedule = EMPTY_SCHEDULE,
    explain: bool = False,
    postcopy_ram: bool = False,
    recording: Recording | None = None,
    quiet: QuietRecords | None = None,
) -> Outcome:
    """Load a stream into a machine that is in its pristine state, and leave the machine as the load left it.

    `design` is a fresh object: it serves one load. `loadvm` is a snapshot load, whose failure does not end the process.
    `schedule`: what others do meanwhile. `explain`: findings get their story, which takes time. Raises nothing that the
    bytes, the schedule or the design cause (an exception from a design is a finding); call `machine.reset()` before the
    next load. `postcopy_ram`: the destination has the capability of that name. `recording`: writes down what load
    and design say to each other. `quiet`: passes over records that need not be loaded; raises Again (`model.errors`) if
    it turns out that one must.
    """
    with bug_of(type(design)):
        state = LoadState(
            machine,
            data,
            design,
            machine.process,
            loadvm=loadvm,
            schedule=schedule,
            explain=explain,
            postcopy_ram=postcopy_ram,
            hooks=recording,
            quiet=quiet,
        )
        (nobody if recording is None else recording.begins)(state)
        return run(state)


def run(state: LoadState) -> Outcome:
    """The load itself."""
    machine = state.machine
    if not state.reader.data and not state.loadvm:
        return Outcome(
            state.design.name, "waiting", layout=machine.layout(), told=machine.told(), devices=machine.device_states()
        )
    return carry_out(state, lambda: _whole_load(state))


def _whole_load(state: LoadState) -> tuple[Verdict, Refusal | None]:
    """From the first byte to the bottom half that applies the run state."""
    state.take = _record
    refusal = _load_state(state)
    if refusal is not None:
        if refusal.kind == "refused" and not state.listening:
            text = os.strerror(refusal.errno)
            last = (
                f"Error {-refusal.errno} while loading VM state"
                if state.loadvm
                else f"load of migration failed: {text}"
            )
            state.messages.append(last)
        if state.loadvm:
            state.turns.rest()  # the process lives on
        return refusal.kind, refusal
    if state.postcopy == DISCARD and not state.loadvm:
        state.turns.rest()
        return "waiting", None  # for a LISTEN that never comes; nothing is cleaned up (tried on QEMU 7.2)
    if state.colo and not state.loadvm:
        return "hung", None  # it waits for checkpoints of a source and hears nobody else (tried on QEMU 7.2)
    _finish(state)
    return "accepted", None


def carry_out(state: LoadState, work: Callable[[], tuple[Verdict, Refusal | None]]) -> Outcome:
    """What comes of some work in the process, done under the design of `state`: its verdict, or how it died of it."""
    design = state.design
    state.memory.getter = state.flat_view
    verdict: Verdict = "accepted"
    refusal: Refusal | None = None
    lines: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    try:
        verdict, refusal = work()
    except Killed as stop:
        verdict, silent = "aborted", (str(stop),)
    except Abort as stop:
        verdict, lines = "aborted", tuple(str(stop).splitlines())
    except Exit as stop:
        verdict, lines = "refused", (str(stop),)
        state.exited = True
    except Hang:
        verdict = "hung"
    except MemoryError:
        raise  # whosever code it was in: the machine is in no state to go on with
    except (Exception, SystemExit) as error:
        hook = hook_of(design, error) or ("seeded" if design.bug is not None else "")
        if not hook:
            raise
        text = f"{type(error).__name__}: {error}"
        verdict, silent = "aborted", (f"the {'seeded bug' if design.bug else 'design'} raised {text}",)
        state.find("exception", "exception", hook, type(error).__name__, text)
    if verdict not in {"accepted", "waiting"} and (refusal is None or refusal.kind != verdict):
        state.messages.extend(lines)
        refusal = Refusal(0, lines or silent, state.reader.offset, "")
    return outcome_of(state, verdict, refusal)


def _load_state(state: LoadState) -> Refusal | None:
    """stream.md 2.2."""
    reader = state.reader
    refusal = load_header(state, reader)
    if refusal is not None:
        return _told(state, refusal)
    state.hooks.load_begins(state)
    state.memory.has_lock = not state.takes_turns
    refusal, quit_ = main_loop(state, reader)
    state.memory.has_lock = True
    state.hooks.load_ends(state, refusal)
    if state.postcopy >= LISTENING:
        what = "go on side by side" if quit_ else "race for one channel"
        state.not_modelled.add(f"postcopy: the listener thread and the main thread {what}")
        return refusal if refusal is not None else _listener(state)
    if refusal is None and reader.error:
        refusal = Refusal(reader.error, (), reader.offset, "")
    if refusal is None and state.machine.description.vmdescription:
        found = reader.u8()
        if found != 6:
            state.messages.append(f"Expected vmdescription section, but got {found}")
    return refusal


def _listener(state: LoadState) -> Refusal | None:
    """The postcopy listener thread reads on, without the big lock (stream.md 1.9, 2.8)."""
    state.listening = True
    state.memory.has_lock = False
    refusal, _ = main_loop(state, state.reader)
    state.memory.has_lock = True
    if refusal is not None:
        state.messages.append(f"postcopy_ram_listen_thread: loadvm failed: {-refusal.errno}")
    return refusal


def main_loop(state: LoadState, reader: Reader) -> tuple[Refusal | None, bool]:
    """Records until EOF, an error, or a command that quits: the refusal if any, and whether a command quit.

    A package runs the loop inside the loop. Here the loops are a list, not calls: a stream may nest thousands.
    """
    loops: list[Reader] = []
    inner: Reader | None = reader
    refusal: Refusal | None = None
    quits = False
    while True:
        if inner is not None:
            if len(loops) >= MAX_DEPTH:
                raise Killed("SIGSEGV: the stack overflows")
            loops.append(inner)
            state.hooks.loop_begins(state)
        state.loops = len(loops)
        refusal, quits, inner = _records(state, loops[-1])
        if inner is not None:
            continue
        while loops:
            if refusal is not None:
                loops[-1].latch(refusal.errno)
            loops.pop()
            state.hooks.loop_ends(state, refusal)
            if refusal is None and not quits:
                break
        if not loops:
            return refusal, quits


def _records(state: LoadState, reader: Reader) -> Done:
    """Records up to what ends this loop, or to a package that another loop must read first."""
    take = _record if state.quiet is None else state.quiet.take
    while True:
        done = take(state, reader)
        if done is not None:
            return done


def _record(state: LoadState, reader: Reader) -> Done | None:
    """One record; None when the loop reads on."""
    state.step()
    if state.turns:
        state.turns.at("wait")
        state.turns.pass_over(reader)
    offset = state.record = reader.offset
    kind = reader.u8()
    if reader.error:
        return Done(Refusal(reader.error, (), offset, ""))
    if kind in {FULL, START, PART, END}:
        refusal = _section(state, reader, kind)
        return None if refusal is None else Done(refusal)
    if kind == COMMAND:
        done = run_command(state, reader)
        if done.refusal is not None:
            _told(state, done.refusal)
        return None if done == GO_ON else done
    if kind == EOF:
        state.hooks.end_of_stream(state)
        return Done()
    return Done(_told(state, Refusal(EINVAL, (f"Unknown savevm section type {kind}",), offset, "")))


def _section(state: LoadState, reader: Reader, kind: int) -> Refusal | None:
    locks = state.takes_turns and not state.listening
    if locks:
        state.memory.has_lock = kind == FULL
    refusal = _load_section(state, reader, kind)
    if kind == FULL and (locks or state.turns):
        state.turns.at("turn")
    if locks:
        state.memory.has_lock = False
    return refusal


def _load_section(state: LoadState, reader: Reader, kind: int) -> Refusal | None:
    state.full_section = kind == FULL
    state.section, state.instance, state.handler = "", 0, None
    state.hooks.section_begins(state)
    refusal = (sections.load_new if kind in {FULL, START} else sections.load_more)(state, reader)
    if refusal is not None:
        refusal = _told(state, refusal)
    state.hooks.section_ends(state, refusal)
    if refusal is None:
        state.section, state.instance, state.handler = "", 0, None
    return refusal


def _told(state: LoadState, refusal: Refusal) -> Refusal:
    for message in refusal.messages:
        state.messages.extend(message.split("\n"))  # what a stream spells may hold ends of lines
    return refusal


def _finish(state: LoadState) -> None:
    """The bottom half after a load that succeeded: the received run state is applied (stream.md 2.2)."""
    state.running = state.run_state in {"", "running"}
    state.run_state = "paused" if state.running else state.run_state
    state.within = "run-state"
    state.mark("the run state")
    state.hooks.run_state_change(state)
    state.turns.rest()
