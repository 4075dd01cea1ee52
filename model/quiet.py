"""Records that concern nobody but the device that loads them, passed over once it is known what they come to.

Most sections of a stream belong to devices without PCI config space and without effects of their own here: a schema and
checks on its own fields, nothing else (`is_quiet`). Such a record goes by nothing that other records do, and no other
goes by what it has done; all that it adds to a load are model steps, words about what is not modelled, and how far the
checked fields are from what is refused (`Piece`). So the loader need not load it again: it is recognised by its bytes,
in whatever stream, and under each design that does nothing at a section as such (`is_silent`).

What an input lights must not depend on what was loaded before it (`model.lights`). So a record is loaded in earnest
twice: the first time it is kept by its bytes, the second time it is written down what it lights; from the third time on
it is passed over. Most altered records of a fuzzer never come again and cost their bytes.

Where a record was passed over, the machine has not loaded it. Nobody may look at it then, and a second section for the
same device ends the attempt: Again (`model.errors`), and the caller loads the stream without this. So does a load that
has spent its budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.designs import Design
from model.devices.clock import Rtl8139, Timer
from model.devices.handler import Effects, Handler
from model.errors import Again
from model.lights import Dark, Sums
from model.load_state import FULL
from model.messages import c_text

if TYPE_CHECKING:
    from model.commands import Done
    from model.lights import Lights
    from model.load_state import LoadState
    from model.machine import AnyHandler, Machine
    from vmformat import Reader

MOST_BYTES: Final = 16 << 20
"""Bytes of records that are kept: beyond, those go that were not passed over since."""

ENTRY: Final = 500
"""Bytes that a record costs beside its own."""

MOST_SIZES: Final = 16
"""Lengths of one device's records among those that are kept."""

MOST_HEADS: Final = 4_000
"""Headers that are remembered: a hostile stream may have any."""

_BEFORE, _BEHIND = 6, 8
"""Bytes of a section's header before and behind its name."""


_FULL: Final = bytes((FULL,))


class Piece:
    """A record as a whole, header and footer, and what it comes to.

    `lit`: a number of `Sums`, None if not known yet. `next`: what followed it.
    """

    __slots__ = (
        "came_again",
        "data",
        "distances",
        "handler",
        "lit",
        "next",
        "not_modelled",
        "section",
        "steps",
        "version",
    )

    def __init__(self, data: bytes, handler: Handler, not_modelled: frozenset[str], steps: int) -> None:
        self.data = data
        self.handler = handler
        self.section, self.version = handler.load_section_id, handler.load_version
        self.not_modelled = not_modelled
        self.steps = steps
        watch = handler.watch
        self.distances = dict.fromkeys(watch.distances() if watch is not None and watch.values else ())
        self.lit: int | None = None
        self.next: Piece | None = None
        self.came_again = False


class _Head:
    """Sections that begin alike: of one device, section id, instance and version."""

    __slots__ = ("handler", "pieces", "sizes")

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.pieces: dict[bytes, Piece] = {}
        self.sizes: list[int] = []

    def find(self, data: bytes, pos: int) -> Piece | None:
        """The record that stands there; a footer ends it, so no other begins with it."""
        for size in self.sizes:
            piece = self.pieces.get(data[pos : pos + size])
            if piece is not None:
                return piece
        return None


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
    """The records of quiet devices that one machine has loaded. `lights`: told what a load lights that is not done."""

    def __init__(self, machine: Machine, lights: Lights | None = None) -> None:
        self._machine = machine
        self._lights: Lights = Dark() if lights is None else lights
        self._sums = Sums()
        looks = any(isinstance(one.effects, Rtl8139) for one in machine.handlers)
        looked_at: frozenset[type[Effects]] = frozenset({Timer} if looks else ())
        # Without footers a section may be read beyond its end.
        self._quiet = frozenset(
            one for one in machine.handlers if machine.description.footers and is_quiet(one, looked_at)
        )
        self._heads: dict[bytes, _Head | None] = {}
        self._first: Piece | None = None
        """What stood last where a stream's first record of the kind stands."""
        self._last: Piece | None = None
        self._cost = 0
        self._lit: set[int] = set()
        self._sets: dict[frozenset[int], bytes] = {}

    def begin(self) -> None:
        """A load begins."""
        if len(self._heads) > MOST_HEADS or len(self._sums) > MOST_HEADS:
            self._forget()
        self._last = None
        self._lit.clear()

    def end(self) -> None:
        """A load is over: what it has not done is lit."""
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
        data, pos, last = reader.data, reader.pos, self._last
        left_out, touched = self._machine.left_out, self._machine.touched
        while True:
            piece = self._first if last is None else last.next
            if piece is None or not data.startswith(piece.data, pos):
                head = self._head(data, pos)
                if head is None or head.handler in touched or head.handler in left_out:
                    break
                piece = head.find(data, pos)
                if piece is None:
                    usual = last.next if last is not None else None
                    self._last = usual if usual is not None and usual.handler is head.handler else last
                    reader.pos = pos
                    return self._in_earnest(load, reader, head)
                if last is None:
                    self._first = piece
                elif last.next is None:
                    last.next = piece
            handler = piece.handler
            if handler in touched or handler in left_out:
                break
            if piece.lit is None:
                self._last, reader.pos = piece, pos
                return self._once_more(load, reader, piece)
            piece.came_again = True
            self._lit.add(piece.lit)
            left_out[handler] = piece
            handler.load_section_id, handler.load_version = piece.section, piece.version
            load.steps += piece.steps
            if piece.not_modelled:
                load.not_modelled |= piece.not_modelled
            pos += len(piece.data)
            last = piece
        if load.steps > load.budget:
            raise Again
        self._last, reader.pos = last, pos
        return load.take(load, reader)

    def _head(self, data: bytes, pos: int) -> _Head | None:
        """What is known of the section that begins there, if it is a quiet device's."""
        if data[pos : pos + 1] != _FULL or pos + _BEFORE > len(data):
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
        return _Head(handler) if isinstance(handler, Handler) and handler in self._quiet else None

    def _in_earnest(self, load: LoadState, reader: Reader, head: _Head) -> Done | None:
        """Load a record that did not come before, and keep it."""
        begin, steps, messages, epoch = reader.pos, load.steps, len(load.messages), load.memory.epoch
        furthest, reader.furthest = reader.furthest, 0
        missing, load.not_modelled = load.not_modelled, set()
        try:
            done = load.take(load, reader)
        finally:
            added = frozenset(load.not_modelled)
            load.not_modelled |= missing
        end = reader.pos
        is_whole = done is None and not reader.error and reader.furthest <= end
        reader.furthest = max(furthest, reader.furthest)
        if is_whole and len(load.messages) == messages and load.memory.epoch == epoch:
            size = end - begin
            if size not in head.sizes:
                if len(head.sizes) >= MOST_SIZES:
                    return done
                head.sizes.append(size)
            data = reader.data[begin:end]
            head.pieces[data] = Piece(data, head.handler, added, load.steps - steps)
            self._cost += size + ENTRY
            if self._cost > MOST_BYTES:
                self._tidy()
        return done

    def _once_more(self, load: LoadState, reader: Reader, piece: Piece) -> Done | None:
        """Load a record that came before, and write down what it lights."""
        lights = self._lights
        before = lights.take()
        try:
            done = load.take(load, reader)
        finally:
            own = lights.take()
            lights.light(before)
            lights.light(own)
        if done is None:
            piece.lit = self._sums.number(own)
        return done

    def _tidy(self) -> None:
        """Keep the records alone that were passed over since."""
        self._cost, self._first, self._last = 0, None, None
        for head in self._heads.values():
            if head is not None:
                head.pieces = {data: piece for data, piece in head.pieces.items() if piece.came_again}
                head.sizes = list(dict.fromkeys(map(len, head.pieces)))
                for piece in head.pieces.values():
                    piece.came_again, piece.next = False, None
                    self._cost += len(piece.data) + ENTRY

    def _forget(self) -> None:
        """Know nothing."""
        self._heads.clear()
        self._sets.clear()
        self._sums = Sums()
        self._cost, self._first = 0, None
