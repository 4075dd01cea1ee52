"""A getter that commits only where a change can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.designs.wrap_main import WrapMain

if TYPE_CHECKING:
    from model.designs.design import Load
    from model.memory import AddressSpace, FlatView, Use

_PAGE: Final = 0x1000


class LazyEpoch(WrapMain):
    """`wrap-main`; the getter commits if the access overlaps what changed between the view's epoch and the tree's.

    Not from the thread; it asks how few forced commits are enough. Every change leaves the range that it touched, in
    offsets of the region that it touched. The getter carries the ranges younger than the view up through containers and
    aliases to the root that the view was rendered from, and looks whether the bytes asked for are among them. If the
    space's root resolves to another region by now, as when a bus master is switched on, the view is that region's, if
    it has one.

    An operation that returns a length looks further than its bytes: a mapping of something that is not RAM ends with
    its dispatch section, and where that begins and ends depends on the pages that the bytes lie in. So it asks
    about whole pages.

    A forced commit lowers the pending flag with everything that listeners changed in their begin callbacks, since it is
    not the outermost one; the epochs still differ then, and the flag is raised again.

    Without the lock it cannot commit. Such a reader runs beside the transaction and may see the time before it.
    """

    name = "lazy-epoch"
    guards: ClassVar[bool] = True

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        """Commit first if the access meets a change."""
        memory = load.memory
        if not (memory.depth and memory.update_pending and memory.has_lock):
            return space.current
        lo, hi = use.addr, use.addr + use.length
        if use.maps:
            lo, hi = lo & -_PAGE, hi + -hi % _PAGE
        while (view := memory.rendered(space)) is None or memory.changed(view, lo, hi):
            load.forced_commit()
            memory.mark_pending(memory.behind)
        return view
