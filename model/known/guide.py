"""A load in earnest where the way is not known: the loader asks the guide for each record.

Up to the first record that is not known the machine is brought to where the way stands: what was done to the world is
done again, what handlers keep to themselves is left out. Then the record is loaded, and what it did is written down;
then the way goes on as far as it is known, and so forth. Where all the rest is known the load is given up: its outcome
is (`Arrived`).

What cannot be written down is loaded all the same, and all behind it (`is_off`): commands that reach far, a design that
begins to hold something, a device whose registers were read. A load that has left something out and comes to a buffer
that the stream's end cuts off is begun anew without a guide (`Astray`): how that comes out goes by where all the others
before it stood (`vmformat.reader`).
"""

from __future__ import annotations

from dataclasses import replace
from operator import sub
from typing import TYPE_CHECKING, Any, Final

from model.devices.ram import RamHandler
from model.known.kinds import Kind
from model.known.looks import distances_of, states_of
from model.known.pieces import Piece
from model.known.worlds import NOTHING, Added, Contents, Deed, End, Numbers, Passage, World
from model.schedule import EMPTY_SCHEDULE
from model.situation import PendingReads, Situation
from model.turns import Turns
from vmformat import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.commands import Done
    from model.known.known import Chart, Known
    from model.known.way import Way
    from model.known.worlds import Read
    from model.lights import Lights
    from model.load_state import LoadState
    from model.machine import AnyHandler
    from model.memory import Region
    from model.outcome import Finding, Outcome
    from vmformat import Plan, Refusal, Visitor

FAR_REACHING: Final = frozenset(bytes((8, 0, command)) for command in (4, 5, 6))
"""Commands after which a stream is read otherwise, or which change RAM: LISTEN, RUN, DISCARD."""

INSIDE: Final = FAR_REACHING | frozenset(bytes((8, 0, command)) for command in (3, 7, 10))
"""And those that read the main channel, which do so within a package, too."""

SUBSECTION: Final = 5
AHEAD: Final = 257
"""A byte that may begin a subsection is followed by a length and as many bytes, which are looked at."""


EIO: Final = 5
NO_SITUATION: Final = Situation()
LOCK: Final = "lock"
"""The oracle whose findings say at which of all points something was."""


class Arrived(BaseException):
    """The rest of a load is known."""

    def __init__(self, end: End) -> None:
        self.end = end


class Astray(BaseException):
    """The load must be done without a guide."""


class _Before:
    """How things stood before a record."""

    __slots__ = ("acted", "forced", "functions", "handler", "journal", "passed", "pos", "registers", "steps")

    def __init__(self, guide: Guide, handler: AnyHandler | None) -> None:
        load = guide.load
        self.pos = guide.offset
        self.handler = handler
        self.steps = load.steps
        self.forced = (load.forced, load.forced_rebuilds, load.rebuilds, load.work)
        self.acted = len(load.turns.acted)
        self.passed = load.turns.passed
        self.registers = guide.registers()
        self.functions = states_of(load.machine)
        self.journal = guide.load.memory.undoing


class Guide:
    """The guide of one load. `load` is set as soon as there is one."""

    load: LoadState
    _reader: Reader

    def __init__(self, known: Known, chart: Chart, way: Way) -> None:
        self._known = known
        self._chart = chart
        self.way = way
        self._at = 0
        self._leaves_out = False
        self._is_whole = False
        self._left_out: dict[AnyHandler, list[tuple[Passage, int]]] = {}
        self._before: _Before | None = None
        self._created: dict[int, int] = {}
        self._made: list[Region] = []
        self._reads: list[Read] = []
        self._wrote = False
        self.is_off = False
        self._piece = way.last
        self.lit = b""
        """What was lit since the last record that was written down."""

    def begins(self, load: LoadState) -> None:
        """The load is about to begin. The way to its first record is a passage, too."""
        self.load, self._reader = load, load.reader
        memory = load.memory
        load.machine.walks.forget()  # what is written down is read in earnest
        memory.ram.on_touch, memory.ram.on_write = self._touched, self._written
        if not self._known.kinds.is_looked_at:  # a device's registers may be anybody's
            mmio = memory.mmio

            def asked(region: Region, offset: int, length: int) -> bytes:
                self.is_off = True
                return mmio(region, offset, length)

            memory.mmio = asked
        if not self.way.path:
            lit = self._known.lights.take()
            self._opens(None)
            self._known.lights.light(lit)

    def leaves(self) -> None:
        """The load is over, and what it leaves need not hold what is known."""
        self.load.guide = self.load.machine.walks.of_record = None

    def take(self, load: LoadState, reader: Reader) -> Done | None:
        """The next record, or some of them; as the loader's own."""
        if self.is_off:
            return load.take(load, reader)
        if self._before is not None:  # of the header, or of a record that led into a package or out of it
            self._closes(reader)
            self._go_on()
        self._reader = reader
        while not self.is_off and self._at < len(self.way.path):
            passage = self.way.path[self._at]
            self._at += 1
            if self._at > 1:  # the header has been read
                done = self._again(passage)
                if done is not None:
                    return done
        if not self.is_off and reader.data[reader.pos : reader.pos + 3] in (INSIDE if self.way.ends else FAR_REACHING):
            self._goes_off()
        if self.is_off:
            return load.take(load, reader)
        self._opens(self._handler())
        done = load.take(load, reader)
        load.machine.walks.of_record = None
        if done is None:
            self._closes(reader)
            if not self.is_off:
                self._go_on()
        return done

    def _goes_off(self) -> None:
        """What comes from here on is loaded by a machine from which nothing is left out, and not written down."""
        self.is_off = self._is_whole = True
        for handler in list(self._left_out):
            self._make_up(handler)
        self._opens(None)

    def _go_on(self) -> None:
        end = self._known.follow(self._chart, self.way)
        if end is not None:
            raise Arrived(end)

    def ended(self, outcome: Outcome) -> Outcome:
        """The load is over, and came to this since the last record began; the outcome of all of it. Raises Astray."""
        before, load, way, reader = self._before, self.load, self.way, self._reader
        assert before is not None
        known = self._known
        lit = known.sums.number(known.lights.take())
        size, furthest = reader.offset - before.pos, self._looked_ahead(before.pos)
        stops = furthest > reader.base + len(reader.data) or reader.error == EIO
        is_cut = reader.is_cut or load.reader.is_cut
        if is_cut and self._leaves_out:
            raise Astray
        piece = known.pieces.piece(way.data[before.pos : furthest], size)
        did = self._deed(piece, before, lit)
        self.lit = known.sums.lit(did.lit)
        at = outcome.at
        where = None if at is None else replace(at, offset=at.offset - before.pos)
        rests = bool(way.left or way.world.waits) and (outcome.verdict == "accepted" or way.world.waits)
        ending = replace(outcome, at=where, messages=(), findings=(), acted=(), not_modelled=(), situation=NO_SITUATION)
        end = End(did, before.handler, ending, left=way.everything() if rests else (), stops=stops)
        is_kept = not (self.is_off or is_cut) and outcome.verdict != "hung"
        if is_kept and not any(_tells(one) for one in outcome.findings):
            known.keep_end(way, before.handler, end)
        total = way.outcome(end, load.design, known.looks)
        if not self._is_whole:
            return total
        return replace(total, situation=replace(outcome.situation, reads=total.situation.reads))

    # To where the way stands

    def _again(self, passage: Passage) -> Done | None:
        """What a passage did is done again, or left out."""
        load, reader, piece, handler = self.load, self._reader, passage.piece, passage.handler
        pos = reader.pos
        if passage.skips and handler is not None:
            self._leave_out(passage, handler)
            return None
        self._is_read(piece)
        done = load.take(load, reader)
        load.machine.walks.of_record = None
        if (done is not None) != passage.turns_away or (done is None and reader.pos != pos + piece.size):
            raise AssertionError(f"a record at {pos:#x} is not loaded as it was before")
        for entry in load.memory.log:
            self._named(entry)
        load.memory.log.clear()
        return done

    def _leave_out(self, passage: Passage, handler: AnyHandler) -> None:
        load, reader, piece = self.load, self._reader, passage.piece
        self._leaves_out = True
        if passage.contents is None:
            self._left_out.setdefault(handler, []).append((passage, reader.offset))
        else:
            assert isinstance(handler, RamHandler)
            handler.state.last = passage.block
            passage.contents.fill()
        reader.pos += piece.size
        load.steps += passage.did.numbers.steps
        load.turns.pass_by(passage.points)
        load.machine.touched.add(handler)
        handler.load_section_id, handler.load_version = passage.section, passage.version

    def _make_up(self, handler: AnyHandler) -> None:
        """A handler has more to load, and must have loaded what was left out."""
        load, here = self.load, self._reader
        there = load.steps, handler.load_section_id, handler.load_version
        turns, load.turns = load.turns, Turns(load, EMPTY_SCHEDULE)  # nobody runs a second time
        self._reader = Reader(self.way.data)
        for passage, pos in self._left_out.pop(handler):
            self._reader.pos = pos
            self._is_read(passage.piece)
            done = load.take(load, self._reader)
            assert done is None
            assert self._reader.pos == pos + passage.piece.size
        load.steps, handler.load_section_id, handler.load_version = there
        load.turns, self._reader = turns, here
        load.machine.walks.of_record = None

    def _is_read(self, piece: Piece, lights: Lights | None = None) -> None:
        """The next record, if it is this piece, need not be read."""
        kept, pos = piece.walks, self._reader.pos

        def load(plan: Plan, reader: Reader, version: int, visitor: Visitor) -> Refusal | None:
            refusal, known = kept.load(plan, reader, version, visitor, pos, lights)
            self._leaves_out |= known
            return refusal

        self.load.machine.walks.of_record = load

    # Writing down

    def _handler(self) -> AnyHandler | None:
        """Whose record comes next."""
        data, pos = self.way.data, self._reader.offset
        handler = self._known.handler(self.way, self._known.pieces.head(data, pos))
        if handler in self._left_out:
            assert handler is not None
            self._make_up(handler)
        found = self._known.standing(self.way, handler)
        self._piece = Piece(b"", 0, self.load.machine) if found is None else found
        self._is_read(self._piece, self._known.lights)
        return handler

    def _opens(self, handler: AnyHandler | None) -> None:
        self._fresh()
        self.load.memory.log.clear()
        self._reads.clear()
        self._wrote = False
        self._reader.furthest = 0
        self._before = _Before(self, handler)
        self._known.lights.take()

    def _fresh(self) -> None:
        """What is said from now on is said by the next record."""
        load = self.load
        load.messages, load.not_modelled, load.findings = [], set(), {}
        load.pending_reads, load.harmful_reads = {}, {}
        load.guest_can_cause = None
        load.pending = PendingReads()

    @property
    def offset(self) -> int:
        """Where the next byte stands in the stream."""
        return self._reader.offset

    def registers(self) -> tuple[Any, ...]:
        """What of a load later records go by, and the memory core's flags."""
        load, machine = self.load, self.load.machine
        memory = load.memory
        return (
            load.run_state,
            load.postcopy,
            load.listening,
            load.exited,
            load.colo,
            load.return_path,
            load.loops,
            load.within,
            load.running,
            memory.has_lock,
            memory.depth,
            memory.update_pending,
            memory.ioeventfd_pending,
            machine.bounce_in_use,
            tuple(machine.block_lengths.values()),
        )

    def _closes(self, reader: Reader) -> None:
        """A record is loaded, and the load goes on with a reader, another one if it led into a package or out of it."""
        before, load, way = self._before, self.load, self.way
        assert before is not None
        self._before = None
        lit = self._known.sums.number(self._known.lights.take())
        old, end, furthest = self._reader, self._reader.offset, self._looked_ahead(before.pos)
        turns_away = reader is not old
        if turns_away and reader is not load.reader:
            end = reader.base  # a package has been taken as a whole
            furthest = max(furthest - len(reader.data), end) if not way.ends else len(way.data) + 1
        if old.error or furthest > old.base + len(old.data) or vars(load.design) or load.machine.process:
            self.is_off = True
        known, handler = self._known, before.handler
        piece = known.pieces.piece(way.data[before.pos : furthest], end - before.pos)
        did = self._deed(piece, before, lit)
        kind = Kind.OPEN if handler is None else known.kinds.of(handler)
        waits = bool(load.turns.waiting)
        if did.due or way.world.waits or waits or kind is Kind.OPEN:
            world: World | None = World(turns=bool(load.turns), waits=waits)
        else:
            world = self._world(before)
        if not piece.walks:
            piece.walks = self._piece.walks
        had = way.loaded.get(handler, handler)  # type: ignore[arg-type]
        passage = Passage(did, handler, had, world)
        passage.turns_away = turns_away
        if did.due:
            passage.left = load.turns.left
        if any(cause.oracle == LOCK for cause, _ in did.added.findings):
            passage.passed = tuple(way.passed)
        if self._wrote or (handler is not None and handler.iterable):
            passage.contents, passage.only = self._contents(), way.contents
            passage.is_plain = False
            passage.block = handler.state.last if isinstance(handler, RamHandler) else None
        if world is None and not did.due and self._chart.is_silent:
            passage.is_quiet = kind is Kind.QUIET and not did.reads
            passage.skips = passage.is_quiet or isinstance(handler, RamHandler)
        if not self.is_off:
            known.keep(way, passage)
        way.go(passage)
        self._at = len(way.path)
        self._reader = reader
        if self.is_off:
            self._goes_off()

    def _looked_ahead(self, begin: int) -> int:
        """How far a record was looked at: bytes taken, bytes looked at, and names that might have been spelt there."""
        reader = self._reader
        end = reader.base + max(reader.pos, reader.furthest)
        furthest, data = end, self.way.data
        at = data.find(SUBSECTION, max(begin, end - AHEAD), end)
        while at >= 0:
            length = data[at + 1] if at + 1 < len(data) else 0
            furthest = max(furthest, at + 2 + length)
            at = data.find(SUBSECTION, at + 1, end)
        return furthest

    def _deed(self, piece: Piece, before: _Before, lit: int) -> Deed:
        load = self.load
        forced, forced_rebuilds, rebuilds, work = before.forced
        now = load.work
        numbers = Numbers(
            load.steps - before.steps,
            load.forced - forced,
            load.forced_rebuilds - forced_rebuilds,
            load.rebuilds - rebuilds,
            tuple(new - old for new, old in zip(now, work, strict=True)),  # type: ignore[arg-type]
        )
        added = Added(
            tuple(load.messages),
            frozenset(load.not_modelled),
            tuple(load.pending_reads.items()),
            tuple(load.harmful_reads.items()),
            tuple(load.findings.items()),
            tuple(load.turns.acted[before.acted :]),
            load.guest_can_cause,
            load.pending.facts(),
        )
        points = tuple(map(sub, load.turns.passed, before.passed))
        if not any(points):
            points = ()
        return Deed(
            piece,
            () if self._wrote else tuple(dict.fromkeys(self._reads)),
            points,
            self.way.due(points),
            lit,
            numbers,
            NOTHING if added == NOTHING else added,
            tuple(
                (function, new)
                for (function, new), old in zip(states_of(load.machine).items(), before.functions.values(), strict=True)
                if new != old
            ),
            distances_of(before.handler),
        )

    def _world(self, before: _Before) -> World | None:
        """Where a record has led that did what stands in the memory's log; None for where it began."""
        memory, registers = self.load.memory, self.registers()
        world = self.way.world
        log = tuple(self._named(entry) for entry in memory.log)
        if not log and memory.undoing != before.journal:
            return World(turns=world.turns)
        if not log and registers == before.registers:
            return None
        key = (log, registers)
        found = world.next.get(key)
        if found is None:
            found = world.next[key] = World(turns=world.turns)
        return found

    def _named(self, entry: tuple[Any, ...]) -> tuple[Any, ...]:
        """An entry of the log, with the regions that this load has made by number."""
        if entry[0] == "create":
            made = entry[1]
            self._created[id(made)] = len(self._created)
            self._made.append(made)
            return (
                "create", made.name, made.kind, made.size, made.alias, made.alias_offset, made.readonly, made.enabled,
                made.block,
            )  # fmt: skip
        created = self._created
        if not created:
            return entry
        return tuple(("created", created[id(part)]) if id(part) in created else part for part in entry)

    def _contents(self) -> Contents:
        ram = self.load.memory.ram
        pages: dict[str, Mapping[int, bytes | int]] = {}
        for block in ram.blocks.values():
            if block.written:
                pages[block.name] = {
                    number: page if isinstance(page, int) else self._known.page(bytes(page))
                    for number, page in block.written.items()
                }
        return Contents(ram, pages)

    def _touched(self, name: str, offset: int, length: int) -> None:
        block = self.load.memory.ram.blocks.get(name)
        there = block.read(offset, length) if block is not None else bytes(length)
        self._reads.append((name, offset, length, there))

    def _written(self, _name: str) -> None:
        self._wrote = True


def _tells(finding: Finding) -> bool:
    """Whether a finding tells of more than what it goes by: an offset in the stream, an exception of a design."""
    return finding.kind == "exception" or finding.cause.oracle == LOCK or " at 0x" in f" {finding.text}"
