"""As v6, but two of the three ways to a view may find an old one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.designs.v6_do_commit import V6DoCommit

if TYPE_CHECKING:
    from model.designs.design import Load
    from model.memory import AddressSpace, FlatView, Use


class V7RcuDispatch(V6DoCommit):
    """`v6-do-commit`, where the dispatch and the get-with-reference may return the old view (v7, March 2023).

    Ring caches take a view with a reference, so that most of the forced commits go away. Peter Xu, 10 March: an IOMMU's
    translation goes by the dispatch of the space it leads to, which may be the old one.
    """

    name = "v7-rcu-dispatch"
    shows_on: ClassVar[tuple[str, ...]] = ("linux-intel-iommu",)

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        """The old view for those two; commit's work first for the third."""
        return super().flat_view(load, space, use) if use.getter == "raw" else space.current
