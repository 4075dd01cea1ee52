"""Records known by their bytes: what an input shares with those before it is found again by comparing, not by reading.

A piece is the bytes of one record as a load has taken them, from its type byte to behind its footer. Where a load
looked further ahead (a byte that might begin a subsection spells a name), what it saw belongs to the piece's bytes,
not to its size. Behind a piece most inputs go on with one of a few others; so each remembers what came next, the
latest first, and one comparison of memory finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.walks import Kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.known.worlds import Loaded, Passage
    from model.machine import AnyHandler, Machine

FULL, START, PART, END = 0x04, 0x01, 0x02, 0x03
HEAD: Final = 16
"""Bytes by which pieces are looked for when none follows the piece before: with them the section is known."""

NEXT: Final = 12
"""Pieces remembered behind each."""

LONGEST_HEAD: Final = 1 + 4 + 1 + 255 + 8
"""Bytes of a record that say whose section it is."""

LENGTHS: Final = 8
"""Lengths tried of each section, the latest: each costs a hash of so many bytes."""

LONGEST: Final = 1 << 13
"""Longer ones are found behind their neighbours only: to look for one its bytes are hashed."""


class Piece:
    """One record. `data`: all that was looked at; `size`: how much of it was taken.

    `handler`: whose section it is; None where the stream's section ids say so, or nobody. `section`: that id.
    """

    __slots__ = ("data", "handler", "is_more", "nexts", "quiet", "quiet_turns", "section", "size", "version", "walks")

    def __init__(self, data: bytes, size: int, machine: Machine) -> None:
        self.data = data
        self.size = size
        self.nexts: list[Piece] = []
        self.quiet: dict[Loaded, Passage] = {}
        """What it did to a handler that keeps to itself, by what had been loaded into that before."""

        self.quiet_turns: dict[Loaded, Passage] = {}
        """The same where others may still run."""

        self.walks = Kept()
        self.handler: AnyHandler | None = None
        self.version = 0
        kind = data[0] if data else 0
        self.section, self.is_more = int.from_bytes(data[1:5], "big"), kind in {PART, END}
        if kind in {FULL, START} and len(data) > 5:
            end = 6 + data[5]
            name = data[6:end].split(b"\0", 1)[0].decode("latin-1")
            if len(data) >= end + 8:
                self.handler = machine.find_handler(name, int.from_bytes(data[end : end + 4], "big"))
                self.version = int.from_bytes(data[end + 4 : end + 8], "big")


class Pieces:
    """All pieces of one machine's inputs."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._known: dict[tuple[bytes, int], Piece] = {}
        self._lengths: dict[bytes, dict[tuple[int, int], None]] = {}
        self._short: dict[tuple[bytes, int], Piece] = {}
        self.size = 0
        """Bytes kept."""

    def __len__(self) -> int:
        return len(self._known)

    def part(self) -> None:
        """Take them apart: what they led to leads back to them."""
        for piece in self._known.values():
            piece.nexts.clear()
            piece.quiet.clear()
            piece.quiet_turns.clear()

    def elsewhere(self, piece: Piece, data: bytes, pos: int) -> Iterator[Piece]:
        """Pieces that stand at `pos` of the data, but are not among those that a piece remembers as its next."""
        for length, size in self._lengths.get(data[pos : pos + HEAD], ()):
            other = self._known.get((data[pos : pos + length], size))
            if other is not None and other not in piece.nexts:
                yield other
        for other in self._short.values():
            if data.startswith(other.data, pos) and other not in piece.nexts:
                yield other

    def head(self, data: bytes, pos: int) -> Piece:
        """A piece that begins at `pos`, as far as that says whose section it is. It is not kept."""
        return Piece(data[pos : pos + LONGEST_HEAD], 0, self._machine)

    def follows(self, piece: Piece, other: Piece) -> None:
        """Another has come behind a piece: it is looked for first from now on."""
        nexts = piece.nexts
        if other in nexts:
            nexts.remove(other)
        nexts.insert(0, other)
        del nexts[NEXT:]

    def piece(self, data: bytes, size: int) -> Piece:
        """The piece of these bytes."""
        key = (data, size)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Piece(data, size, self._machine)
            self.size += len(data)
            if len(data) < HEAD:
                self._short[key] = found
            elif len(data) <= LONGEST:
                lengths = self._lengths.setdefault(data[:HEAD], {})
                lengths[len(data), size] = None
                if len(lengths) > LENGTHS:
                    del lengths[next(iter(lengths))]
        return found
