"""A getter that commits as if no transaction were open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.designs.force_naive import ForceNaive

if TYPE_CHECKING:
    from model.designs.design import Load
    from model.memory import AddressSpace, FlatView, Use


class ForceDepth0(ForceNaive):
    """`force-naive`, with the depth set to 0 for as long as the commit takes.

    That ends the recursion, since whoever asks within the commit finds no transaction open. Peter Xu, 21 February 2023:
    do it without touching the depth.
    """

    name = "force-depth0"

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        """Commit first, at depth 0."""
        memory = load.memory
        if memory.depth and memory.update_pending:
            depth, memory.depth = memory.depth, 0
            try:
                load.forced_commit()
            finally:
                memory.depth = depth
        return space.current
