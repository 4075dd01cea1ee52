"""Contents of RAM blocks: sparse pages, and a cheap way back."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = 4096
_MASK = PAGE - 1


class Block:
    """One RAM block: pages that were written, zeros elsewhere.

    Since the checkpoint writes go to `written`, so a rollback only drops those. A page there is its bytes, or the one
    byte that fills it: a stream fills pages with a few bytes each, and must not cost more than it is long.
    """

    __slots__ = ("base", "length", "name", "pristine_length", "written")

    def __init__(self, name: str, length: int) -> None:
        self.name = name
        self.length = length
        self.pristine_length = length
        self.base: dict[int, bytes] = {}
        self.written: dict[int, bytes | bytearray | int] = {}

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from an offset on; zeros beyond the block's end."""
        number, at = offset >> 12, offset & _MASK
        if at + length <= PAGE:
            return self._piece(number, at, length)
        out = []
        while length:
            n = min(PAGE - at, length)
            out.append(self._piece(number, at, n))
            length -= n
            number += 1
            at = 0
        return b"".join(out)

    def _piece(self, number: int, at: int, length: int) -> bytes:
        page = self.written.get(number)
        if page is None:
            page = self.base.get(number, 0)
        if isinstance(page, int):
            return bytes([page]) * length
        return bytes(page[at : at + length])

    def is_present(self, offset: int) -> bool:
        """Whether the page of an offset has ever been written: if not, it reads as zeros."""
        number = offset >> 12
        return number in self.written or number in self.base

    def discard(self, offset: int, length: int) -> None:
        """Make whole pages read as zeros again; a range is widened to the pages it touches."""
        first, last = offset >> 12, (offset + max(length, 1) - 1) >> 12
        if last - first < len(self.written) + len(self.base):
            found = [n for n in range(first, last + 1) if n in self.written or n in self.base]
        else:
            found = [n for n in {*self.written, *self.base} if first <= n <= last]
        for number in found:
            self.written[number] = 0

    def fill(self, offset: int, byte: int) -> None:
        """Fill the page of an offset with one byte; beyond the block's end nothing happens."""
        if offset < self.length:
            self.written[offset >> 12] = byte

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes at an offset; what lies beyond the block's end is dropped."""
        data = data[: max(self.length - offset, 0)]
        done = 0
        while done < len(data):
            number, at = (offset + done) >> 12, (offset + done) & _MASK
            n = min(PAGE - at, len(data) - done)
            if n == PAGE:
                self.written[number] = data[done : done + n]
            else:
                self._change(number)[at : at + n] = data[done : done + n]
            done += n

    def _change(self, number: int) -> bytearray:
        page = self.written.get(number)
        if not isinstance(page, bytearray):
            page = self.written[number] = bytearray(self._piece(number, 0, PAGE))
        return page


def nobody(*_what: object) -> None:
    """Is told, and does nothing."""


class Ram:
    """All RAM blocks by name.

    `on_read`: told of every read by name (block, offset, length in bytes); what a capture keeps of a guest's memory is
    what was read while its stream was loaded. `on_touch`: told of every read, those of a search as well.
    `version`: another object for other contents or lengths; the same one may stand for the same. None: as at the
    checkpoint.
    """

    def __init__(self) -> None:
        self.blocks: dict[str, Block] = {}
        self.on_read: Callable[[str, int, int], None] | None = None
        self.on_touch: Callable[[str, int, int], None] = nobody
        self.version: object = None

    def add_block(self, name: str, length: int) -> Block:
        """Create a block of zeros, `length` in bytes."""
        block = self.blocks[name] = Block(name, length)
        return block

    def read(self, block: str, offset: int, length: int) -> bytes:
        """Bytes of a block by name; zeros for a block that does not exist and beyond the end."""
        self.on_touch(block, offset, length)
        if self.on_read is not None:
            self.on_read(block, offset, length)
        found = self.blocks.get(block)
        return found.read(offset, length) if found is not None else bytes(length)

    def write(self, block: str, offset: int, data: bytes) -> None:
        """Write to a block by name; dropped for a block that does not exist and beyond the end."""
        self.changes()
        found = self.blocks.get(block)
        if found is not None:
            found.write(offset, data)

    def changes(self) -> None:
        """Contents or lengths are about to change: whoever changes a block says so first."""
        self.version = object()

    @property
    def is_watched(self) -> bool:
        """Whether somebody hears of reads."""
        return self.on_read is not None or self.on_touch is not nobody

    @contextmanager
    def unnoticed(self) -> Iterator[None]:
        """Reads inside are not told of: a search through code, whose finder reads again what it has found."""
        told, self.on_read = self.on_read, None
        try:
            yield
        finally:
            self.on_read = told

    def resize(self, block: str, length: int) -> None:
        """Set a block's used length, in bytes."""
        self.changes()
        self.blocks[block].length = length

    def checkpoint(self) -> None:
        """Take the present contents as the pristine ones."""
        self.version = None
        for block in self.blocks.values():
            for number, page in block.written.items():
                block.base[number] = bytes([page]) * PAGE if isinstance(page, int) else bytes(page)
            block.written.clear()
            block.pristine_length = block.length

    def rollback(self) -> None:
        """Return to the checkpoint. Blocks added since stay, empty."""
        self.version = None
        for block in self.blocks.values():
            if block.written:
                block.written.clear()
            block.length = block.pristine_length
