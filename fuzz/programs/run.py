"""One program carried out under one design, and what is wrong with that.

A program is a load reduced to its calls. What stands before its call `load` prepares the tree, each call a transaction
of its own; from there on the design decides: its hooks are called as the loader calls them, and every flat view that a
call gets comes from its getter. `begin` and `commit` are a device's own and nest in whatever the design has open; those
left open are closed at the end. Calls that QEMU would not survive (an add of what is attached) are left out.

Three oracles look at it. *Guards*: a use whose bytes a fresh rendering shows otherwise is harmful; a design that claims
to guard is held to have let it pass (unsound), or to have stopped one that was not harmful (too strong). *Invariants*:
memory.md 11, at the end and, if asked, after every call. *Ends*: `ends` compares two designs (I23).

The kind of the unseen change is the verb that made it: `after-disable`, or `after-several`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.programs.calls import CALLS
from fuzz.programs.program import READS, TREE
from fuzz.programs.result import DEVICE, Result
from fuzz.programs.rings import Caches
from fuzz.programs.stage import BrokenInvariant
from fuzz.programs.watch import Watch, forbidden, settled
from model.errors import Abort, Exit, Killed
from model.memory import FlatView, MemoryAbort, TransactionError, explain
from model.outcome import Cause, Finding
from model.raised import WrongReturn, hook_of

if TYPE_CHECKING:
    from fuzz.programs.program import Call, Program
    from fuzz.programs.stage import Stage
    from model.designs import Design
    from model.memory import AddressSpace, Region, Use

MAX_COMMITS: Final = 20
"""Commits within commits, as many as nobody means."""


class Run:
    """A program under way. It is the `Load` that the design sees; see there for what its attributes mean."""

    def __init__(
        self,
        stage: Stage,
        program: Program,
        design: Design,
        *,
        check: bool = False,
        excused: frozenset[int] = frozenset(),
    ) -> None:
        self.stage = stage
        self.memory = stage.memory
        self.program = program
        self.design = design
        self.caches = Caches(self)
        self.watch = Watch(self) if check else None
        self.process: dict[str, object] = {}
        self.full_section = False
        self.section = ""
        self.actor = ""
        self.running = True
        self.loading = False
        self.opened = 0
        self.moved_at = -1
        self.waiting: dict[str, list[Call]] = {"begin": [], "commit": []}
        self.findings: dict[Cause, Finding] = {}
        self.log: list[Call | str] = []
        self.reads = self.needed = self.harmful = self.forced = 0
        self._excused = excused
        self._at: set[int] = set()
        self._number = 0
        self._commits = 0
        self._verbs: set[str] = set()
        self._seen = self._first = self.memory.rebuilds

    # What a design may use

    def abort(self, message: str) -> None:
        """Die."""
        raise Abort(message)

    def say(self, message: str) -> None:
        """A line for people."""
        self.log.append(f"  {message}")

    def forced_commit(self) -> None:
        """Commit now, at any depth. Without the lock a commit asserts, wherever it comes from."""
        self.forced += 1
        if not self.memory.has_lock:
            raise TransactionError("memory_region_transaction_commit: Assertion `qemu_mutex_iothread_locked()' failed.")
        if self._commits >= MAX_COMMITS:
            self.find("recursion", "pairing", "loader", "recursion-without-end", "a commit asks, which commits, ...")
            raise Killed("SIGSEGV: the stack overflows")
        self._commits += 1
        try:
            self.memory.do_commit()
        finally:
            self._commits -= 1

    # The run

    def go(self) -> Result:
        """Carry the program out. The stage is left as it is then."""
        memory = self.memory
        memory.getter = self.flat_view
        self.stage.react = self._react
        if self.design.hears_changes:
            memory.heard = self._heard
        memory.asks_in_commit = self.design.asks_in_commit
        verdict = "ended"
        end: tuple[object, ...] = ()
        try:
            self._carry_out()
            end = self._end()
        except TransactionError as error:
            verdict = "died"
            change = "commit-without-lock" if "iothread_locked" in str(error) else "commit-without-begin"
            self.find("unpaired transaction", "pairing", "loader", change, str(error))
        except MemoryAbort as error:
            verdict = "died"
            self.log.append(f"  {error}")
            if self.watch is not None and "2**64" in str(error) and not forbidden(self.stage):
                self.find("invariant", "invariant", "memory", "I20", f"I20: {error}")
        except (Abort, Exit) as error:
            verdict = "aborted"
            self.log.append(f"  aborted: {error}")
        except (Exception, SystemExit) as error:
            verdict = "died"
            if not isinstance(error, BrokenInvariant) and (hook := self._whose(error)):
                text = f"{type(error).__name__}: {error}"
                self.find("exception", "exception", hook, type(error).__name__, text)
            elif isinstance(error, AssertionError):
                self.find("invariant", "invariant", "memory", str(error).partition(":")[0], str(error))
            else:
                raise
        rebuilds = memory.rebuilds - self._first
        tree = tuple((mr.name, mr.container.name if mr.container else "") for mr in self.stage.regions.values())
        return Result(
            self.design.name,
            verdict,
            tuple(self.findings.values()),
            self.reads,
            self.needed,
            self.harmful,
            self.forced,
            rebuilds,
            frozenset(self._at),
            end,
            tree,
            tuple(self.log),
        )

    def _whose(self, error: BaseException) -> str:
        """The design's hook that raised it, or "seeded" where a bug did; "" for what the house raised."""
        hook = hook_of(self.design, error)
        return hook or ("seeded" if self.design.bug is not None and not isinstance(error, AssertionError) else "")

    def _carry_out(self) -> None:
        calls = self.program.calls
        verbs = [call.verb for call in calls]
        first = verbs.index("load") if "load" in verbs else -1
        for number, call in enumerate(calls):
            if number == first + 1:
                self._load_begins()
            self._number = number
            self.log.append(call)
            if call.who in self.waiting and call.verb not in TREE | READS:
                self.log.append("  left out: listeners change the tree or read")
            elif call.who in self.waiting:
                self.waiting[call.who].append(call)
            elif call.who == "bare":
                self._as_other(call, lock=False)
            elif call.who:
                self._as_other(call, lock=True)
            else:
                self.make(call)
            if self.watch is not None:
                self.watch.look()
        if first + 1 >= len(calls):
            self._load_begins()
        self._load_ends()

    def make(self, call: Call) -> None:
        """Make one call, whoever's it is."""
        if call.verb in TREE:
            self._changes().add(call.verb)
        memory, region = self.memory, self.stage.regions.get(str(call.operands[0])) if call.operands else None
        epoch, rebuilds, addr = memory.epoch, memory.rebuilds, region and region.addr
        CALLS[call.verb](self, *call.operands)
        if memory.rebuilds != rebuilds:
            return
        if memory.epoch == epoch:
            self._verbs.discard(call.verb)
        elif region is not None and (call.verb == "renew" or (region.addr != addr and not _marks(region))):
            self.moved_at = rebuilds

    def _as_other(self, call: Call, *, lock: bool) -> None:
        """A call by another thread. Without the lock it may only read."""
        if not lock and call.verb not in READS:
            self.log.append("  left out: it takes the lock")
            return
        self.actor = call.who
        self.memory.has_lock = lock
        self.make(call)
        self.memory.has_lock = True
        self.actor = ""

    def _react(self, event: str) -> None:
        waiting, self.waiting[event] = self.waiting[event], []
        for call in waiting:
            self.make(call)
        if event == "commit":
            if self.loading:
                self.design.listener_commit(self, self.caches)
            else:
                self.caches.build_caches()

    def _heard(self, added: bool, container: Region, region: Region) -> None:
        if self.loading:
            hook = self.design.region_added if added else self.design.region_removed
            hook(self, container, region)

    def _load_begins(self) -> None:
        self.loading = True
        self.design.load_begins(self)
        self.design.loop_begins(self)
        self.section_begins()

    def section_begins(self) -> None:
        """A FULL section starts."""
        self.section, self.full_section = DEVICE, True
        self.design.section_begins(self)

    def section_ends(self) -> None:
        """It is over."""
        self.design.section_ends(self, None)
        self.section, self.full_section = "", False

    def _load_ends(self) -> None:
        while self.opened:
            self.opened -= 1
            self.memory.commit()
        self.section_ends()
        self.design.end_of_stream(self)
        self.design.loop_ends(self, None)
        self.design.load_ends(self, None)
        self.design.run_state_change(self)
        self.loading = False
        if self.memory.depth:
            self.find("unpaired transaction", "pairing", "loader", "transaction-left-open", "a transaction stays open")

    def _end(self) -> tuple[object, ...]:
        """Everything is committed: hold it to the invariants, and say how it ended."""
        memory = self.memory
        if memory.depth:
            return ()
        self.waiting = {"begin": [], "commit": []}
        if self.moved_unseen:  # memory.md 2.2: it shows at some later commit; here it is
            memory.begin()
            memory.mark_pending(True)
            memory.commit()
        if self.watch is not None or self.forced or self.program.reacts:  # otherwise `ends` tells more
            settled(self.stage)
        views = tuple((name, space.current.starts, space.current.ends, space.current.infos)
                      for name, space in sorted(self.stage.spaces.items()))  # fmt: skip
        return (*views, *self.caches.kept())

    @property
    def moved_unseen(self) -> bool:
        """Whether a region has moved since views were made last, which need not have marked anything pending.

        That shifts a view whose root it is (memory.md 2.2: no container; the same with one that is disabled).
        """
        return self.moved_at == self.memory.rebuilds

    # The getter, and the oracle behind it

    def flat_view(self, space: AddressSpace, use: Use) -> FlatView:
        """Every use of a view passes here."""
        if not self.loading:
            return space.current
        memory = self.memory
        pending = bool(memory.depth and memory.update_pending) and not use.commits
        old = space.current
        wrong = self._unlike(old, space, use) if pending else None
        reader = f"{self.actor}:{use.reader}" if self.actor else use.reader
        verbs = self._after()
        try:
            view = self.design.flat_view(self, space, use)
            if not isinstance(view, FlatView):
                raise WrongReturn("flat_view", "a FlatView", view)
        except (Killed, MemoryAbort):  # the program dies of itself
            raise
        except Abort:
            if self.design.guards and wrong is None:
                change = f"stopped-benign-{verbs}" if pending else "stopped-nothing-pending"
                self.find("guard", "guard", reader, change, f"{_use(space, use)} is stopped though it is right")
            raise
        if not isinstance(view, FlatView):
            raise WrongReturn("flat_view", "a FlatView", view)
        if not pending:
            return view
        self.reads += 1
        self.needed += wrong is not None
        wrong = self._unlike(view, space, use) if memory.update_pending else None
        if wrong is not None:
            self.harmful += 1
            self._at.add(self._number)
            text = f"{_use(space, use)} {verbs.replace('-', ' ')}: {wrong}"
            if self.design.guards:
                self.find("guard", "guard", reader, f"missed-{verbs}", f"let pass: {text}")
            elif self._number not in self._excused:
                self.find("harmful read", "flat-view-while-pending", reader, verbs, text)
        return view

    def _unlike(self, view: FlatView, space: AddressSpace, use: Use) -> str | None:
        try:
            fresh = self.memory.fresh_view(space)
        except MemoryAbort:  # a tree that no commit would survive shows nothing to compare with
            return None
        found = explain(view, fresh, use)
        return None if found is None else found[1]

    def _changes(self) -> set[str]:
        """Verbs that changed the tree since the last rebuild."""
        if self.memory.rebuilds != self._seen:
            self._seen = self.memory.rebuilds
            self._verbs.clear()
        return self._verbs

    def _after(self) -> str:
        verbs = self._changes()
        return f"after-{next(iter(verbs))}" if len(verbs) == 1 else "after-several"

    def find(self, kind: str, oracle: str, reader: str, change: str, text: str) -> None:
        """A finding; the first of its cause is kept."""
        cause = Cause(self.design.name, oracle, reader, change, DEVICE)
        if cause not in self.findings:
            self.findings[cause] = Finding(kind, cause, text)
        self.log.append(f"  {kind}: {text}")


def _marks(region: Region) -> bool:
    """Whether putting a region where it is marks an update pending (memory.md 2.2)."""
    return region.container is not None and region.container.enabled and region.enabled


def _use(space: AddressSpace, use: Use) -> str:
    return f"{use.reader} of {space.name} {use.addr:#x}+{use.length:#x}"


def run(
    stage: Stage, program: Program, design: Design, *, check: bool = False, excused: frozenset[int] = frozenset()
) -> Result:
    """Carry out a program on its stage under a fresh design.

    `check`: invariants after every call. `excused`: calls, by number, whose harmful uses are not the design's fault.
    The stage is as it was afterwards.
    """
    result = Run(stage, program, design, check=check, excused=excused).go()
    stage.reset()
    return result
