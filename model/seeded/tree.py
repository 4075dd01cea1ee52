"""Faults in how the tree of regions is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.seeded.bug import SeededBug

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.memory import Memory, Region


class TieBrokenTheOtherWay(SeededBug):
    """Of siblings with one priority the one added first wins."""

    source = "memory.md 2.1"
    budget = 2_000

    def insert(self, _sound: Callable[..., Any], siblings: list[Region], region: Region) -> list[Region]:
        """Behind those of the same priority."""
        at = sum(sibling.priority >= region.priority for sibling in siblings)
        return [*siblings[:at], region, *siblings[at:]]


class EqualsSortedByAddress(SeededBug):
    """Of siblings with one priority the one at the lower address wins, not the one added last."""

    source = "memory.md 2.1"
    budget = 2_000

    def insert(self, _sound: Callable[..., Any], siblings: list[Region], region: Region) -> list[Region]:
        """By priority, then by address."""
        rank = (-region.priority, region.addr)
        at = sum((-sibling.priority, sibling.addr) < rank for sibling in siblings)
        return [*siblings[:at], region, *siblings[at:]]


class MovedRegionKeepsItsRank(SeededBug):
    """A region that is moved in its container stays behind the equals that were in front of it."""

    source = "memory.md 2.1"
    budget = 3_000

    def set_address(self, sound: Callable[..., Any], memory: Memory, mr: Region, address: int) -> None:
        """Those that were in front are taken out and put in again, in their order."""
        container = mr.container
        before: list[Region] = []
        if container is not None and mr.addr != address:
            at = container.subregions.index(mr)
            before = [one for one in container.subregions[:at] if one.priority == mr.priority]
        memory.begin()
        sound(memory, mr, address)
        for one in reversed(before):
            assert container is not None
            memory.del_subregion(container, one)
            memory.add_subregion(container, one.addr, one, one.priority)
        memory.commit()


class ResizeOnlyGrows(SeededBug):
    """A region that is made smaller keeps its size."""

    source = "memory.md 2.2"
    machine = "q35-modern"
    budget = 2_000

    def set_size(self, sound: Callable[..., Any], memory: Memory, mr: Region, size: int) -> None:
        """Smaller is taken for done."""
        if size > mr.size:
            sound(memory, mr, size)


class AliasOffsetKept(SeededBug):
    """An alias that is let show another offset goes on showing the old one: TSEG shows the beginning of RAM."""

    source = "memory.md 2.2, set_alias_offset"
    machine = "q35-modern"

    def set_alias_offset(self, _sound: Callable[..., Any], memory: Memory, _alias: Region, _offset: int) -> None:
        """An empty transaction."""
        memory.begin()
        memory.commit()


BUGS: Final = (TieBrokenTheOtherWay, EqualsSortedByAddress, MovedRegionKeepsItsRank, ResizeOnlyGrows, AliasOffsetKept)
