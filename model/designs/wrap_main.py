"""The transaction around the main loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.designs.design import Design

if TYPE_CHECKING:
    from model.designs.design import Load
    from vmformat import Refusal


class WrapMain(Design):
    """Begin and commit in the main loop itself, on every path out of it (Peter Xu, 24 November 2022).

    Needs no flag and always pairs. A package runs the loop inside the loop and only nests. The postcopy listener runs
    it without the big lock, where a commit asserts (stream.md 2.9, row 8). Readers get the view of before the
    transaction.
    """

    name = "wrap-main"

    def loop_begins(self, load: Load) -> None:
        """Open the transaction."""
        load.memory.begin()

    def loop_ends(self, load: Load, error: Refusal | None) -> None:
        """Close it, whatever happened."""
        load.memory.commit()
