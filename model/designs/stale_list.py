"""A getter that asks whether the region found has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.designs.wrap_main import WrapMain

if TYPE_CHECKING:
    from model.designs.design import Load
    from model.memory import AddressSpace, FlatView, Memory, Region, Use


class StaleList(WrapMain):
    """`wrap-main` with a list of regions that the open transaction has changed (Chuang Xu, 7 December 2022).

    Adding a region puts its parent on the list, removing a region puts that region on it, and a commit clears it. Who
    finds a region of the list in the view it got, among the bytes it asked for, has read what is out of date: it dies.

    Peter Xu, the same day: with A the parent of B and C, a D of higher priority added under C and beside B is not seen.
    Chuang Xu, 8 December: priorities are local to a container, so D never competes with B. Which of them is right, and
    on which tree, is in docs/memory-target.md. Other ways to change the tree (enable, resize, alias offset, read-only)
    were not meant to be on the list; a move is a removal and an addition.
    """

    name = "stale-list"
    guards: ClassVar[bool] = True
    hears_changes: ClassVar[bool] = True

    def __init__(self) -> None:
        self._list: set[Region] = set()
        self._rebuilds = 0

    def region_added(self, load: Load, container: Region, region: Region) -> None:
        """List the parent."""
        self._listed(load.memory).add(container)

    def region_removed(self, load: Load, container: Region, region: Region) -> None:
        """List the region itself."""
        self._listed(load.memory).add(region)

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        """Die when the use finds a listed region."""
        listed = self._listed(load.memory)
        view = space.current
        if listed:
            for region in view.regions(use.addr, use.addr + use.length):
                if region in listed:
                    load.abort(f"{use.reader}: {region.name} in {space.name} has changed in this transaction")
        return view

    def _listed(self, memory: Memory) -> set[Region]:
        """The list, empty again once a commit has rebuilt the views or nothing is pending."""
        if memory.rebuilds != self._rebuilds or not memory.update_pending:
            self._rebuilds = memory.rebuilds
            self._list.clear()
        return self._list
