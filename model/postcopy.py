"""Guest memory that is still on its way: what a destination with the capability `postcopy-ram` asks its source for.

From ADVISE on RAM is empty; pages come before the package (and are taken back by DISCARD), or when somebody reads one
that has not come (stream.md 1.9, 1.10, 2.10). Such a reader stands still until the source sends the page, which it is
asked for by REQ_PAGES: block and offset, in the order of the reads.

Model: the source sends a page when it is asked for, and nothing else before the package is loaded. A recording that is
replayed sends its pages when they come in it: fewer are asked for then, or none. Only reads count: that a load
writes to guest memory is rare. Pages are of 4096 bytes on both sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.errors import Hang
from vmformat import read
from vmformat.ram.pages import ram_pages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.memory import Ram

PAGE: Final = 4096


class Postcopy:
    """The pages that have come, and those that were asked for."""

    def __init__(self, ram: Ram, data: bytes) -> None:
        self._ram = ram
        self._data = data
        self._here: set[tuple[str, int]] = set()
        self._answered = True
        self._later: Mapping[tuple[str, int], bytes] | None = None
        self.asked: list[tuple[str, int]] = []
        """REQ_PAGES: block and offset of a page, in order."""

    def advise(self) -> None:
        """Nothing of what RAM held counts any more."""
        for block in self._ram.blocks.values():
            self._ram.changes()
            block.discard(0, block.length)
        self._here.clear()

    def came(self, block: str, address: int) -> None:
        """A page has come."""
        self._here.add((block, address & ~(PAGE - 1)))

    def discard(self, block: str, start: int, length: int) -> None:
        """Pages are taken back."""
        self._here.difference_update((block, at) for at in range(start & ~(PAGE - 1), start + length, PAGE))

    def listen(self, *, answered: bool) -> None:
        """From now on a read of what has not come asks for it.

        `answered`: whether what the source sends can take its place. Without a DISCARD in front of LISTEN the program
        forgets that it listens, puts pages in place by writing to them, and waits for itself (tried on QEMU 7.2).
        """
        self._answered = answered
        self._ram.on_touch = self._touched

    def _touched(self, name: str, offset: int, length: int) -> None:
        block = self._ram.blocks.get(name)
        for at in range(offset & ~(PAGE - 1), offset + length, PAGE):
            if block is None or at >= block.length or (name, at) in self._here:
                continue
            self.asked.append((name, at))
            page = self._rest().get((name, at)) if self._answered else None
            if page is None:
                raise Hang  # it never comes
            self._ram.changes()
            block.write(at, page)
            self._here.add((name, at))

    def _rest(self) -> Mapping[tuple[str, int], bytes]:
        """All pages of the stream as they are in the end."""
        if self._later is None:
            pages = ram_pages(read(self._data, tolerant=True))
            self._later = {(page.block or "", page.address): page.content() for page in pages if page.kind != "XBZRLE"}
        return self._later
