"""As v6, but who takes a reference may find an old view."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.designs.v6_do_commit import V6DoCommit

if TYPE_CHECKING:
    from model.designs.design import Load
    from model.memory import AddressSpace, FlatView, Use


class V8RcuGetref(V6DoCommit):
    """`v6-do-commit`, where only the get-with-reference may return the old view (v8, 17 March 2023, the last version).

    Ring caches are the ones who use it: they are built from the old view and once more by the listener at the final
    commit. 112 ms became 20, downtime 285 became 194. Nobody reviewed it.
    """

    name = "v8-rcu-getref"
    shows_on: ClassVar[tuple[str, ...]] = ("q35-iommu-platform",)

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        """The old view for those who take a reference; commit's work first for all others."""
        return space.current if use.getter == "reference" else super().flat_view(load, space, use)
