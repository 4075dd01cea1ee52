"""Records that concern nobody but the device that loads them, passed over once it is known what they come to.

Most sections of a stream belong to devices without PCI config space and without effects of their own here: a schema and
checks on its own fields, nothing else (`is_quiet`). Such a record goes by nothing that other records do, and no other
goes by what it has done; all that it adds to a load are model steps, words about what is not modelled, and how far the
checked fields are from what is refused (`Piece`). So the loader need not load it again: it is recognised by its bytes,
in whatever stream, and under each design that does nothing at a section as such (`is_silent`). Records of RAM go by the
contents of RAM alone, and are passed over where these are the same (`Pages`) and nothing is pending.

What an input lights must not depend on what was loaded before it (`model.lights`). So a record is loaded in earnest
twice: the first time it is kept by its bytes, the second time it is written down what it lights; from the third time on
it is passed over. Most altered records of a fuzzer never come again and cost their bytes.

Where a record was passed over, the machine has not loaded it. Nobody may look at it then; if a second section comes for
the same device, the first is made up for. A record at whose points somebody else is to run (`model.turns`) is loaded as
ever. Near the end of its budget a load is given up, and so is one whose end cuts off a buffer: Again (`model.errors`),
and the caller does it without this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.designs import Design
from model.devices.clock import Rtl8139, Timer
from model.devices.handler import Effects, Handler
from model.devices.ram import RamHandler
from model.errors import Again
from model.lights import Dark, Sums
from model.load_state import FULL
from model.messages import c_text
from model.quiet.pages import Pages, where
from model.quiet.piece import Before, Piece
from model.schedule import EMPTY_SCHEDULE
from model.shelf import Shelf
from model.turns import Turns
from vmformat import Reader

if TYPE_CHECKING:
    from model.commands import Done
    from model.lights import Lights
    from model.load_state import LoadState
    from model.machine import AnyHandler, Machine

MOST_BYTES: Final = 32 << 20
"""What the records that are kept may cost: beyond, those go that did not come again."""

MOST_HEADS: Final = 4_000
"""Headers that are remembered: a hostile stream may have any."""

_BEFORE, _BEHIND = 6, 8
"""Bytes of a section's header before and behind its name."""

_WHOLE, _START, _PART, _END = (bytes((kind,)) for kind in (FULL, 1, 2, 3))


class _Head:
    """Sections that begin alike: of one device, section id, instance and version."""

    __slots__ = ("handler", "pieces")

    def __init__(self, handler: AnyHandler) -> None:
        self.handler = handler
        self.pieces: Shelf[Piece] = Shelf()


def is_silent(design: type[Design]) -> bool:
    """Whether a design does nothing at a section as such, and holds nothing that a record could find.

    It is one of the house's, hears of no single change and takes no turns with others.
    """
    hooks = ("section_begins", "section_ends", "before_post_load", "lock_released")
    return (
        design.__module__.startswith("model.designs.")
        and design.bug is None
        and not (design.hears_changes or design.takes_turns)
        and all(getattr(design, hook) is getattr(Design, hook) for hook in hooks)
    )


def is_quiet(handler: AnyHandler, looked_at: frozenset[type[Effects]]) -> bool:
    """Whether a handler does nothing but what its schema and its checks say, and nobody looks at what it has loaded."""
    effects = handler.effects
    return (
        isinstance(handler, Handler)
        and handler.function is None
        and type(effects) in {Effects, Timer}
        and type(effects) not in looked_at
    )


class QuietRecords:
    """The records of one machine that may be passed over. `lights`: told what a load lights that is not done."""

    def __init__(self, machine: Machine, lights: Lights | None = None) -> None:
        self._machine = machine
        self._lights: Lights = Dark() if lights is None else lights
        self._sums = Sums()
        looks = any(isinstance(one.effects, Rtl8139) for one in machine.handlers)
        looked_at: frozenset[type[Effects]] = frozenset({Timer} if looks else ())
        # Without footers a section may be read beyond its end.
        footers = machine.description.footers
        self._quiet = frozenset(one for one in machine.handlers if footers and is_quiet(one, looked_at))
        all_of_ram = [one for one in machine.handlers if isinstance(one, RamHandler)]
        self._ram = _Head(all_of_ram[0]) if footers and len(all_of_ram) == 1 else None
        self._before_ram = machine.handlers[: machine.handlers.index(all_of_ram[0])] if all_of_ram else []
        self._heads: dict[bytes, _Head | None] = {}
        self._first: Piece | None = None
        """What stood last where a stream's first record of the kind stands."""
        self._last: Piece | None = None
        self._cost = 0
        self._readers: list[Reader] = []
        self._lit: set[int] = set()
        self._sets: dict[frozenset[int], bytes] = {}

    def begin(self) -> None:
        """A load begins."""
        if len(self._heads) > MOST_HEADS or len(self._sums) > MOST_HEADS:
            self._forget()
        self._last = None
        self._readers.clear()
        self._lit.clear()

    def end(self) -> None:
        """A load is over: what it has not done is lit. Raises Again if it was one that must be done in full.

        How a buffer comes out that the end cuts off goes by where all others before it stood (`vmformat.reader`).
        """
        if any(reader.is_cut for reader in self._readers):
            raise Again
        if self._lit:
            key = frozenset(self._lit)
            known = self._sets.get(key)
            if known is None:
                if len(self._sets) >= MOST_HEADS:
                    self._sets.clear()
                known = self._sets[key] = self._sums.together(key)
            self._lights.light(known)

    def take(self, load: LoadState, reader: Reader) -> Done | None:
        """The next record, as `LoadState.take`; first those are passed over that are known. Raises Again."""
        if reader.error:
            return load.take(load, reader)
        if reader not in self._readers:
            self._readers.append(reader)
        data, pos, last = reader.data, reader.pos, self._last
        left_out, touched = self._machine.left_out, self._machine.touched
        while True:
            piece = self._first if last is None else last.next
            if piece is None or not data.startswith(piece.data, pos):
                head = self._head(data, pos)
                if head is None:
                    break
                piece = head.pieces.find(data, pos)
                if piece is None:
                    self._last, reader.pos = _instead(last, head.handler), pos
                    return self._in_earnest(load, reader, head)
                if last is None:
                    self._first = piece
                elif last.next is None:
                    last.next = piece
            handler, pages = piece.handler, piece.pages
            if pages is None:
                if handler in touched or handler in left_out:
                    break
            elif not self._fits(load, piece, pages):
                break
            turns = bool(load.turns)
            lit = piece.lit[turns]
            if lit is None:
                self._last, reader.pos = piece, pos
                return self._once_more(load, reader, piece)
            if turns and (pages is not None or not load.turns.go_by(piece.fields)):
                last = piece
                break
            self._lit.add(lit)
            self._pass_over(load, piece)
            pos += len(piece.data)
            last = piece
        if load.steps > load.budget:
            raise Again
        self._last, reader.pos = last, pos
        return load.take(load, reader)

    def _pass_over(self, load: LoadState, piece: Piece) -> None:
        """What has to be done instead of loading it."""
        handler = piece.handler
        piece.came_again = True
        if piece.pages is None:
            self._machine.left_out[handler] = piece
        else:
            self._machine.touched.add(handler)
            load.turns.pass_by("ram", piece.ram)
            piece.pages.fill(load.memory.ram, handler)  # type: ignore[arg-type]
        handler.load_section_id, handler.load_version = piece.section, piece.version
        load.steps += piece.steps
        if piece.not_modelled:
            load.not_modelled |= piece.not_modelled

    def make_up(self, load: LoadState, handler: AnyHandler) -> None:
        """A section comes for a device: what was passed over of its own, if anything, is loaded first."""
        piece = self._machine.left_out.pop(handler, None)
        if piece is None:
            return
        turns, load.turns = load.turns, Turns(load, EMPTY_SCHEDULE)  # nobody runs a second time
        before = load.section, load.instance, load.handler, load.full_section, load.record, load.steps
        numbers, marks = (handler.load_section_id, handler.load_version), len(load.marks)
        done = load.take(load, Reader(piece.data))
        assert done is None
        del load.marks[marks:]
        load.section, load.instance, load.handler, load.full_section, load.record, load.steps = before
        handler.load_section_id, handler.load_version = numbers
        load.turns = turns

    def _head(self, data: bytes, pos: int) -> _Head | None:
        """What is known of the section that begins there, if it may be passed over."""
        kind = data[pos : pos + 1]
        if kind in {_PART, _END}:
            return self._more(int.from_bytes(data[pos + 1 : pos + 5], "big"))
        if kind not in {_WHOLE, _START} or pos + _BEFORE > len(data):
            return None
        length = data[pos + _BEFORE - 1]
        begins = data[pos : pos + _BEFORE + length + _BEHIND]
        try:
            return self._heads[begins]
        except KeyError:
            found = self._heads[begins] = self._new_head(begins)
            return found

    def _new_head(self, begins: bytes) -> _Head | None:
        name, numbers = begins[_BEFORE:-_BEHIND], begins[-_BEHIND:]
        if len(name) != begins[_BEFORE - 1] or not name:
            return None
        handler = self._machine.find_handler(c_text(name), int.from_bytes(numbers[:4], "big"))
        if self._ram is not None and handler is self._ram.handler:
            return self._ram
        is_whole = begins.startswith(_WHOLE)
        return _Head(handler) if handler is not None and handler in self._quiet and is_whole else None

    def _more(self, section: int) -> _Head | None:
        """The head of RAM, if a PART or END of that section is RAM's."""
        ram = self._ram
        if ram is None or ram.handler.load_section_id != section:
            return None
        return None if any(one.load_section_id == section for one in self._before_ram) else ram

    def _fits(self, load: LoadState, piece: Piece, pages: Pages) -> bool:
        handler = piece.handler
        assert isinstance(handler, RamHandler)
        memory = load.memory
        if memory.depth and memory.update_pending:
            return False  # the loader of RAM lets go of the lock, which is a finding then
        return not load.postcopy and load.pages is None and pages.fits(memory.ram, handler)

    def _in_earnest(self, load: LoadState, reader: Reader, head: _Head) -> Done | None:
        """Load a record that did not come before, and keep it if it can be told what it comes to."""
        handler, machine, ram = head.handler, self._machine, load.memory.ram
        stood = where(ram, handler) if isinstance(handler, RamHandler) else None
        if stood is None and (handler in machine.touched or handler in machine.left_out):
            return load.take(load, reader)
        if stood is not None and (load.postcopy or load.pages is not None):
            return load.take(load, reader)
        before = Before(load, reader)
        try:
            done = load.take(load, reader)
        finally:
            before.ends()
        if done is None and before.is_quiet:
            pages = None
            if stood is not None and isinstance(handler, RamHandler):
                pages = Pages(ram, handler, stood)
            self._cost += head.pieces.put(Piece(before, handler, pages))
            if self._cost > MOST_BYTES:
                self._tidy()
        return done

    def _once_more(self, load: LoadState, reader: Reader, piece: Piece) -> Done | None:
        """Load a record that came before, and write down what it lights."""
        lights, turns = self._lights, bool(load.turns)
        before = lights.take()
        try:
            done = load.take(load, reader)
        finally:
            own = lights.take()
            lights.light(before)
            lights.light(own)
        if done is None:
            piece.lit[turns] = self._sums.number(own)
            if piece.pages is not None:
                piece.pages.done(load.memory.ram)
        return done

    def _every_shelf(self) -> list[Shelf[Piece]]:
        heads = {id(head): head for head in (*self._heads.values(), self._ram) if head is not None}
        return [head.pieces for head in heads.values()]

    def _tidy(self) -> None:
        """Keep the records alone that came again since."""
        self._first = self._last = None
        shelves = self._every_shelf()
        self._cost = sum(shelf.tidy() for shelf in shelves)
        for shelf in shelves:
            for piece in shelf:
                piece.next = None

    def _forget(self) -> None:
        """Know nothing."""
        self._heads.clear()
        self._sets.clear()
        self._sums = Sums()
        if self._ram is not None:
            self._ram.pieces = Shelf()
        self._cost, self._first = 0, None


def _instead(last: Piece | None, handler: AnyHandler) -> Piece | None:
    """What a record that is not known stands for, so that what follows is found: what a device's record usually is."""
    usual = last.next if last is not None else None
    return usual if usual is not None and usual.handler is handler else last
