"""What a record of RAM does: the same to the same contents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.memory.ram import PAGE

if TYPE_CHECKING:
    from model.devices.ram import RamHandler
    from model.memory import Ram


class Pages:
    """The pages that were written since the machine was pristine, behind one record.

    It goes by the version of `Ram` before it, and by the block that was named last.
    """

    __slots__ = ("_before", "_last", "_named", "_version", "_written")

    def __init__(self, ram: Ram, handler: RamHandler, before: tuple[object, str | None]) -> None:
        """`before`: as `where` told before the record."""
        self._before, self._named = before
        self._version, self._last = where(ram, handler)
        self._written = {
            name: {at: page if isinstance(page, int) else bytes(page) for at, page in block.written.items()}
            for name, block in ram.blocks.items()
            if block.written
        }

    @property
    def cost(self) -> int:
        """Bytes of the pages, as if nobody else had them."""
        return PAGE * sum(map(len, self._written.values()))

    def fits(self, ram: Ram, handler: RamHandler) -> bool:
        """Whether the record would do the same now."""
        return ram.version is self._before and handler.state.last == self._named

    def fill(self, ram: Ram, handler: RamHandler) -> None:
        """Do it."""
        for name, block in ram.blocks.items():
            written = self._written.get(name)
            if written is not None or block.written:
                block.written = dict(written or {})
        self.done(ram)
        handler.state.last = self._last

    def done(self, ram: Ram) -> None:
        """It was done: the contents are known by the same version as ever."""
        ram.version = self._version


def where(ram: Ram, handler: RamHandler) -> tuple[object, str | None]:
    """What a record of RAM goes by."""
    return ram.version, handler.state.last
