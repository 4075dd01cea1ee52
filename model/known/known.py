"""All that is known of the loads of one machine, and a load that does what is not known.

Cost: a load of which all is known compares the stream's bytes with those it has seen, and puts its outcome together:
tens of microseconds. Memory is bounded: when there is more of it than `MOST` allows, all is forgotten and learned anew;
what an input comes to, and what it lights, does not depend on that.
"""

from __future__ import annotations

import gc
from itertools import chain
from typing import TYPE_CHECKING, Final

from model.known.guide import Arrived, Astray, Guide
from model.known.kinds import Kinds, is_silent, takes_part
from model.known.looks import Looks
from model.known.pieces import Pieces
from model.known.way import Way
from model.known.worlds import Contents, World
from model.lights import Dark, Sums, together
from model.load_state import MAX_STEPS
from model.loader import load
from model.schedule import EMPTY_SCHEDULE

if TYPE_CHECKING:
    from model.designs import Design
    from model.known.pieces import Piece
    from model.known.worlds import Deed, End, Ending, Passage
    from model.lights import Lights
    from model.machine import AnyHandler, Machine
    from model.outcome import Outcome
    from model.schedule import Schedule

MOST: Final = 40_000
"""Passages and ends that are kept, 1 to 2 KB each."""

MOST_BYTES: Final = 64 << 20
"""Bytes of pieces and of pages of RAM that are kept."""

VARIANTS: Final = 24
"""Passages kept from one world by one piece: they differ in what was read of RAM, or in who ran meanwhile."""


class Chart:
    """What is known under one design: where its loads begin."""

    def __init__(self, design: type[Design]) -> None:
        self.is_silent = is_silent(design)
        self._roots: dict[tuple[bool, bool], World] = {}

    def root(self, schedule: Schedule) -> World:
        """The world of a pristine machine, for a load during which these are to run."""
        key = bool(schedule.steps), any(step.point == "inside" for step in schedule.steps)
        found = self._roots.get(key)
        if found is None:
            found = self._roots[key] = World(turns=key[0])
        return found


class Known:
    """What one machine has loaded before."""

    def __init__(self, machine: Machine, lights: Lights | None = None) -> None:
        self.machine = machine
        self.kinds = Kinds(machine)
        self.looks = Looks(machine)
        self.lights: Lights = Dark() if lights is None else lights
        self.pieces = Pieces(machine)
        self.forget()

    def forget(self) -> None:
        """Know nothing."""
        self.pieces.part()
        self.pieces = Pieces(self.machine)
        self.sums = Sums()
        self._start = self.pieces.piece(b"", 0)
        self._charts: dict[type[Design], Chart] = {}
        self._pristine = Contents(self.machine.memory.ram, {})
        self._pages: dict[bytes, bytes] = {}
        self._count = 0
        self._bytes = 0

    def takes(self, data: bytes, design: Design) -> bool:
        """Whether a load can be remembered."""
        machine = self.machine
        remembers = machine.memory.remembers and not machine.process
        return bool(data) and remembers and takes_part(type(design)) and not vars(design)

    def load(self, data: bytes, design: Design, schedule: Schedule = EMPTY_SCHEDULE) -> Outcome:
        """As `model.load`, on a pristine machine, of what it `takes`. When anything is raised, all is forgotten."""
        machine = self.machine
        if self._count > MOST or self._bytes + self.pieces.size > MOST_BYTES:
            self.forget()
            gc.collect()  # what is old is looked at too seldom to be left to it
        lit = self.lights.take()
        try:
            return self._load(data, design, schedule)
        except Astray:
            self.lights.take()
            machine.reset()
            return load(machine, data, type(design)(), schedule=schedule)
        except BaseException:
            self.forget()
            raise
        finally:
            self.lights.light(lit)

    def _load(self, data: bytes, design: Design, schedule: Schedule) -> Outcome:
        chart = self._charts.get(type(design))
        if chart is None:
            chart = self._charts[type(design)] = Chart(type(design))
        way = Way(data, schedule, chart.root(schedule), self._pristine, self._start)
        end = self.follow(chart, way)
        if end is None:
            guide = Guide(self, chart, way)
            try:
                outcome = load(self.machine, data, design, schedule=schedule, guide=guide)
            except Arrived as arrived:
                end = arrived.end
            else:
                outcome = guide.ended(outcome)
            finally:
                guide.leaves()
        self.lights.take()
        if end is not None:
            if way.steps() + end.did.numbers.steps > MAX_STEPS:
                raise Astray
            self.lights.light(self.sums.together([*way.lit(), end.did.lit]))
            return way.outcome(end, design, self.looks)
        self.lights.light(together(self.sums.together(way.lit()), guide.lit))
        return outcome

    def follow(self, chart: Chart, way: Way) -> End | None:
        """Go on as far as the way is known; the end of it if it is known up to there."""
        data, loaded, path = way.data, way.loaded, way.path
        silent = chart.is_silent
        while True:
            world, last, pos = way.world, way.last, way.pos
            may_be_quiet = silent and not world.waits
            for piece in last.nexts:
                if not data.startswith(piece.data, pos) or (way.ends and pos + len(piece.data) > way.ends[-1]):
                    continue
                handler = self.handler(way, piece) if piece.is_more else piece.handler
                had = loaded.get(handler, handler)  # type: ignore[arg-type]
                passage = (piece.quiet_turns if world.turns else piece.quiet).get(had) if may_be_quiet else None
                if passage is None or (passage.points and way.due(passage.points)):
                    variants = world.passages.get((piece, had))
                    passage = self._fitting(way, variants) if variants is not None else None
                if passage is not None:
                    break
                end = self._end(way, piece, handler)
                if end is not None:
                    return end
            else:
                piece_found = self._look_further(way)
                if piece_found is None:
                    return None
                self.pieces.follows(last, piece_found)
                continue
            if last.nexts[0] is not piece:
                self.pieces.follows(last, piece)
            path.append(passage)
            way.pos = pos + piece.size
            way.last = piece
            if handler is not None:
                loaded[handler] = passage
            if passage.is_plain:
                continue
            way.turn(passage)

    def _look_further(self, way: Way) -> Piece | None:
        """A piece that did not come here before, but stands here and would be known to lead on."""
        for piece in self.pieces.elsewhere(way.last, way.data, way.pos):
            handler = self.handler(way, piece) if piece.is_more else piece.handler
            had = way.loaded.get(handler, handler)  # type: ignore[arg-type]
            quiet = piece.quiet_turns if way.world.turns else piece.quiet
            if had in quiet or (piece, had) in way.world.passages or self._end(way, piece, handler) is not None:
                return piece
        return None

    def standing(self, way: Way, handler: AnyHandler | None) -> Piece | None:
        """A piece of this handler's that stands where a load does, and whose fields are known."""
        data, pos = way.data, way.pos
        for piece in chain(way.last.nexts, self.pieces.elsewhere(way.last, data, pos)):
            if piece.handler is handler and len(piece.walks) and data.startswith(piece.data, pos):
                return piece
        return None

    def _fitting(self, way: Way, variants: list[Passage]) -> Passage | None:
        """The one that holds where a load stands."""
        for passage in variants:
            if (
                (passage.only is None or passage.only is way.contents)
                and (not passage.reads or way.contents.holds(passage.reads))
                and way.due(passage.points) == passage.due
                and (not passage.turns_away or way.has_room(passage))
                and (passage.passed is None or passage.passed == tuple(way.passed))
            ):
                return passage
        return None

    def _end(self, way: Way, piece: Piece, handler: AnyHandler | None) -> End | None:
        ends = way.world.ends
        if not ends:
            return None
        for end in ends.get(self._ending(way, piece, handler), ()):
            if (
                (not end.stops or way.pos + len(piece.data) == way.limit)
                and (not end.reads or way.contents.holds(end.reads))
                and way.due(end.points) == end.due
                and (not self._rest(way, end) or way.everything() == end.left)
            ):
                return end
        return None

    def _rest(self, way: Way, end: End) -> bool:
        """Whether others run at the end."""
        return way.world.waits or (bool(way.left) and end.outcome.verdict == "accepted")

    def _ending(self, way: Way, piece: Piece, handler: AnyHandler | None) -> Ending:
        loaded = way.loaded
        own = loaded.get(handler, handler)  # type: ignore[arg-type]
        return piece, own, tuple([loaded.get(one, one) for one in self.kinds.tell])

    def handler(self, way: Way, piece: Piece) -> AnyHandler | None:
        """Whose record a piece is, where a load stands."""
        if not piece.is_more:
            return piece.handler
        loaded, wanted = way.loaded, piece.section
        for handler in self.machine.handlers:
            if (loaded[handler].section if handler in loaded else 0) == wanted:
                return handler
        return None

    # Keeping

    def keep(self, way: Way, passage: Passage) -> None:
        """A passage from where a load stands."""
        self._note(passage.did)
        self.pieces.follows(way.last, passage.piece)
        handler = passage.handler
        loaded = way.loaded.get(handler, handler)  # type: ignore[arg-type]
        if passage.is_quiet:
            piece = passage.piece
            (piece.quiet_turns if way.world.turns else piece.quiet)[loaded] = passage
            return
        variants = way.world.passages.setdefault((passage.piece, loaded), [])
        if len(variants) >= VARIANTS:
            variants.clear()
        variants.append(passage)

    def keep_end(self, way: Way, handler: AnyHandler | None, end: End) -> None:
        """An end where a load stands."""
        self._note(end.did)
        self.pieces.follows(way.last, end.piece)
        variants = way.world.ends.setdefault(self._ending(way, end.piece, handler), [])
        if len(variants) >= VARIANTS:
            variants.clear()
        variants.append(end)

    def _note(self, did: Deed) -> None:
        self._count += 1
        self._bytes += sum(len(there) for *_, there in did.reads)

    def page(self, page: bytes) -> bytes:
        """The same page, one object for all that are equal."""
        found = self._pages.get(page)
        if found is None:
            found = self._pages[page] = page
            self._bytes += len(page)
        return found
