"""A getter that does the work of a commit and leaves the transaction open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.designs.design import Design

if TYPE_CHECKING:
    from model.designs.design import Load
    from model.memory import AddressSpace, FlatView, Use
    from vmformat import Refusal


class V6DoCommit(Design):
    """Begin and commit in the outer function; the getter does a commit's work in between (v6, February 2023).

    With the lock and a transaction open it commits what is pending and leaves the depth; without the lock the reader
    must be inside RCU, or it dies. The commit path itself reads raw views, so nothing recurses. Chuang Xu: 112 ms
    become 44 only, for there is a forced commit for every cache of every queue.
    """

    name = "v6-do-commit"

    def load_begins(self, load: Load) -> None:
        """Open the transaction."""
        load.memory.begin()

    def load_ends(self, load: Load, error: Refusal | None) -> None:
        """Close it, whatever happened."""
        load.memory.commit()

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        """Commit's work first; without the lock nothing but RCU protects the view."""
        memory = load.memory
        if memory.has_lock:
            if memory.depth:
                load.forced_commit()
        elif not use.rcu:
            load.abort(f"{use.reader}: flat view of {space.name} used without the lock and without RCU")
        return space.current
