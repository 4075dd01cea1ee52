"""One load under way: what the loop, the devices and the design share of it.

It is what a design gets to see (`model.designs.Load`), and the place where every use of a flat view passes by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model import uses
from model.designs import Design
from model.errors import Abort, Hang, Killed
from model.memory import FlatView
from model.outcome import Cause, Finding
from model.postcopy import Postcopy
from model.raised import WrongReturn
from model.schedule import EMPTY_SCHEDULE
from model.situation import PendingReads
from model.turns import Turns
from vmformat import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model.commands import Done
    from model.machine import AnyHandler, Machine
    from model.memory import AddressSpace, Counts, Region, Use
    from model.paths import Within
    from model.quiet import QuietRecords
    from model.schedule import Schedule
    from model.severity import Severity
    from model.story import Story
    from model.unseen import Mark

    Viewed = Callable[[AddressSpace, Sequence[Use]], None]

FULL: Final = 0x04
MAX_STEPS: Final = 2_000_000
"""The budget of a load in steps, beside one for each byte of its stream."""

MAX_COMMITS: Final = 60
"""Model: commits inside commits, as many as nobody means; the program goes on until its stack overflows."""


class LoadState:
    """One load under way. `hooks`: who is called for the design, if not the design itself; he writes it down.

    `views_plainly`: whether a reader gets the current view and that is all, as long as nothing is pending.
    `viewed`: who wants to know of such reads nevertheless.

    `take`: loads the next record of a reader, for other threads that load; the loader sets it.
    """

    take: Callable[[LoadState, Reader], Done | None]

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
        quiet: QuietRecords | None = None,
    ) -> None:
        self.machine = machine
        self.memory = machine.memory
        self.design = design
        self.hooks = design if hooks is None else hooks
        self.viewed: Viewed | None = getattr(hooks, "viewed", None)
        self.views_plainly = not explain and type(design).flat_view is Design.flat_view
        self.process = process
        self.reader = Reader(data)
        machine.walks.begin()
        self.messages: list[str] = []
        self.not_modelled: set[str] = set()
        self.guest_can_cause: bool | None = None
        self.full_section = False
        self.handler: AnyHandler | None = None
        self.section = ""
        self.instance = 0
        self.steps = self.wanted_more = 0
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
        self.pending = PendingReads()
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
        self.quiet = quiet

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
        self.wanted_more += 1
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
        done = self.take(self, self.reader)
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
        done = self.take(self, reader)
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
