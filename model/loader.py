"""The one loop that all designs share: it eats a stream as QEMU 7.2's incoming side does, and says how that ended.

The loop reads with the destination's schemas only, in order, and stops where the program would stop; a read past the
end gives zeros and latches an error that somebody tests later. So truncated, garbled and hostile streams need no case
of their own: they run through the same code (stream.md 2.1-2.5). A `LoadState` is one such load. It is also what a
design gets to see, and the place where every use of a flat view passes by.

What ends a load: a value (`Refusal`) where the program returns an error or exits; an exception where it dies on the
spot (`Abort`), calls exit from the depth of a device (`Exit`), or spends its budget of steps (`Hang`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from model import sections, uses
from model.commands import DISCARD, GO_ON, LISTENING, Done, run_command
from model.ending import outcome_of
from model.errors import Abort, Exit, Hang, Killed
from model.header import load_header
from model.memory import FlatView
from model.outcome import Cause, Finding, Outcome
from model.postcopy import Postcopy
from model.raised import WrongReturn, hook_of
from model.schedule import EMPTY_SCHEDULE
from model.turns import Turns
from vmformat import Reader, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.designs import Design
    from model.machine import AnyHandler, Machine
    from model.memory import AddressSpace, Counts, Region, Use
    from model.outcome import Verdict
    from model.paths import Within
    from model.schedule import Schedule
    from model.severity import Severity
    from model.story import Story
    from model.unseen import Mark

EOF, START, PART, END, FULL, COMMAND = 0x00, 0x01, 0x02, 0x03, 0x04, 0x08
EINVAL: Final = 22
MAX_STEPS: Final = 2_000_000
"""The budget of a load in steps, beside one for each byte of its stream."""

MAX_DEPTH: Final = 10_000
"""Model: loops inside loops overflow the program's stack somewhere between 4,000 and 20,000 (stream.md 1.7)."""

MAX_COMMITS: Final = 60
"""Model: commits inside commits, as many as nobody means; the program goes on until its stack overflows."""


class LoadState:
    """One load under way. `hooks`: who is called for the design, if not the design itself."""

    def __init__(
        self,
        machine: Machine,
        data: bytes,
        design: Design,
        process: dict[str, object],
        *,
        loadvm: bool = False,
        schedule: Schedule = EMPTY_SCHEDULE,
        explain: bool = False,
        postcopy_ram: bool = False,
        hooks: Design | None = None,
    ) -> None:
        self.machine = machine
        self.memory = machine.memory
        self.design = design
        self.hooks = design if hooks is None else hooks
        self.process = process
        self.reader = Reader(data)
        machine.walks.begin(data)
        self.messages: list[str] = []
        self.not_modelled: set[str] = set()
        self.guest_can_cause: bool | None = None
        self.full_section = False
        self.handler: AnyHandler | None = None
        self.section = ""
        self.instance = 0
        self.steps = 0
        self.budget = MAX_STEPS + len(data)
        self.forced = self.forced_rebuilds = 0
        self.loops = 0
        self.postcopy = 0
        self.pages = Postcopy(machine.memory.ram, data) if postcopy_ram else None
        self.listening = False
        self.exited = False
        self.colo = False
        self.return_path = False
        self.run_state = ""
        self.pending_reads: dict[str, int] = {}
        self.harmful_reads: dict[str, int] = {}
        self.findings: dict[Cause, Finding] = {}
        self.explain = explain
        self.marks: list[Mark] = [(machine.memory.epoch, "the loader", 0)]
        self.record = 0
        self.within: Within = ""
        self.fatal: Story | None = None
        self._forcing: Story | None = None
        self._asked: tuple[AddressSpace, Use] | None = None
        self.loadvm = loadvm
        self.takes_turns = design.takes_turns and not loadvm
        self.running = False
        self.actor = ""
        self.turns = Turns(self, schedule)
        self._commits = 0
        self._rebuilds = machine.memory.rebuilds
        self._work = machine.memory.work.save()
        if design.hears_changes:
            self.memory.heard = self._tree_changed
        self.memory.asks_in_commit = design.asks_in_commit

    @property
    def rebuilds(self) -> int:
        """Commits that have rebuilt views since this began."""
        return self.memory.rebuilds - self._rebuilds

    @property
    def work(self) -> Counts:
        """What rebuilding has cost since this began, in the order of `Work.save`."""
        return self.memory.work.since(self._work)

    @property
    def kind(self) -> str:
        """The kind of the device whose section is being loaded, "stream" between sections."""
        return self.handler.kind if self.handler is not None else "stream"

    # What a design may use

    def abort(self, message: str) -> None:
        """Die on the spot."""
        raise Abort(message)

    def say(self, message: str) -> None:
        """Print a line."""
        self.messages.append(message)

    def forced_commit(self) -> None:
        """Commit now, at any depth. One within another is not counted: it finds nothing that the outer one left.

        Raises TransactionError for who has not the lock, as a commit does that closes a transaction.
        """
        if self._commits == 0:
            if self._asked is not None:
                self._forcing, self._asked = uses.story_of(self, *self._asked), None
            self.forced += 1
            self.forced_rebuilds += self.memory.update_pending
        self.step()
        if self._commits >= MAX_COMMITS:
            text = "a commit asks for a flat view, which commits, which asks for a flat view"
            line = f"{self.section or 'the loader'}: {text}"
            self.find("recursion", "pairing", "loader", "recursion-without-end", line, story=self._forcing)
            raise Killed("SIGSEGV: the stack overflows")
        self._commits += 1
        self.memory.do_commit()
        self._commits -= 1

    # What devices use

    def step(self, count: int = 1) -> None:
        """Spend from the budget."""
        self.steps += count
        if self.steps > self.budget:
            raise Hang

    def before_post_load(self) -> None:
        """A post-load function is about to run."""
        self.hooks.before_post_load(self)

    def wants_more(self) -> None:
        """A section has changed something, or is about to, and its next bytes may not be there yet."""
        if self.turns:
            self.turns.at("fields")

    def flat_view(self, space: AddressSpace, use: Use) -> FlatView:
        """The getter of this load: the design answers, and what it answers is looked at."""
        self.steps += 1
        if self.explain and self.design.asks_in_commit and self._commits == 0:
            self._asked = space, use
        try:
            view = self.hooks.flat_view(self, space, use)
        except Abort:
            if self.explain and not use.commits:
                self.fatal = uses.story_of(self, space, use)
            if self.design.guards:
                uses.stopped(self, space, use)
            raise
        if not isinstance(view, FlatView):
            raise WrongReturn("flat_view", "a FlatView", view)
        if self.memory.depth and self.memory.update_pending and not use.commits:
            uses.used_while_pending(self, view, space, use)
        return view

    def find(
        self,
        kind: str,
        oracle: str,
        reader: str,
        change: str,
        text: str,
        *,
        rank: Severity | None = None,
        story: Story | None = None,
    ) -> None:
        """A finding about what is being loaded now; the first of a cause is kept."""
        cause = Cause(self.design.name, oracle, reader, change, self.kind)
        if cause not in self.findings:
            self.findings[cause] = Finding(kind, cause, text, rank, story)

    def has_found(self, oracle: str, reader: str, change: str) -> bool:
        """Whether there is a finding of this cause."""
        return Cause(self.design.name, oracle, reader, change, self.kind) in self.findings

    @property
    def told_section(self) -> str:
        """The section that is being loaded, as its handler is called; else as the stream calls it; "" for none."""
        return self.handler.name if self.handler is not None else self.section

    def mark(self, who: str) -> None:
        """From here on the tree is changed by `who`."""
        self.marks.append((self.memory.epoch, who, self.record))

    def listener_record(self) -> None:
        """One record of the main channel, as the postcopy listener thread takes it."""
        section = self.section, self.instance, self.handler, self.full_section
        record = self.record
        was, self.listening = self.listening, True
        done = _record(self, self.reader)
        self.listening = was
        self.section, self.instance, self.handler, self.full_section = section
        self.record = record
        if done is not None and done.refusal is not None:
            self.messages.append(f"postcopy_ram_listen_thread: loadvm failed: {-done.refusal.errno}")

    def overtake(self) -> bool:
        """The section behind the next one is loaded now, if the design's loaders take turns; whether there is one."""
        reader = self.reader
        bounds = self.machine.bounds(reader.data) if self.takes_turns and self.loops == 1 else {}
        first = reader.pos
        second = bounds.get(first)
        if second is None or second not in bounds or not reader.data[first] == reader.data[second] == FULL:
            return False
        reader.pos = second
        section = self.section, self.instance, self.handler, self.full_section, self.record
        done = _record(self, reader)
        self.section, self.instance, self.handler, self.full_section, self.record = section
        if done is None:  # what the other loader fails at, the load fails at
            self.turns.ahead(second, reader.pos)
        reader.pos = first
        return True

    def _tree_changed(self, added: bool, container: Region, region: Region) -> None:
        if added:
            self.hooks.region_added(self, container, region)
        else:
            self.hooks.region_removed(self, container, region)


def load(
    machine: Machine,
    data: bytes,
    design: Design,
    *,
    loadvm: bool = False,
    schedule: Schedule = EMPTY_SCHEDULE,
    explain: bool = False,
    postcopy_ram: bool = False,
) -> Outcome:
    """Load a stream into a machine that is in its pristine state, and leave the machine as the load left it.

    `design` is a fresh object: it serves one load. `loadvm` is a snapshot load, whose failure does not end the process.
    `schedule`: what others do meanwhile. `explain`: findings get their story, which takes time. Raises nothing that the
    bytes, the schedule or the design cause (an exception from a design is a finding); call `machine.reset()` before the
    next load. `postcopy_ram`: the destination has the capability of that name.
    """
    state = LoadState(
        machine,
        data,
        design,
        machine.process,
        loadvm=loadvm,
        schedule=schedule,
        explain=explain,
        postcopy_ram=postcopy_ram,
    )
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
    except (Exception, SystemExit) as error:
        hook = hook_of(design, error)
        if not hook:
            raise
        text = f"{type(error).__name__}: {error}"
        verdict, silent = "aborted", (f"the design raised {text}",)
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
    while True:
        done = _record(state, reader)
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
