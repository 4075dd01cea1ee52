"""A getter that commits, and meets itself in the commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.designs.wrap_main import WrapMain

if TYPE_CHECKING:
    from model.designs.design import Load
    from model.memory import AddressSpace, FlatView, Use


class ForceNaive(WrapMain):
    """`wrap-main`; a getter that finds changes pending commits on the spot and returns the new view (February 2023).

    The commit itself asks for views, to tell listeners what went, and listeners ask for more: commit, getter, commit,
    without end.
    """

    name = "force-naive"
    asks_in_commit: ClassVar[bool] = True

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        """Commit first."""
        if load.memory.depth and load.memory.update_pending:
            load.forced_commit()
        return space.current
