"""A guard that watches everybody but the loader."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.designs.wrap_main import WrapMain

if TYPE_CHECKING:
    from model.designs.design import Load
    from model.memory import AddressSpace, FlatView, Use


class ThreadLocalCheck(WrapMain):
    """`wrap-main`; the getter aborts when somebody else asks while changes are pending (Chuang Xu, 5 December 2022).

    The idea: mark the migration's own thread, let it read what it likes, and see in many runs whether anybody else
    reads. Nobody did. It says nothing of what the loader itself reads, which is what goes wrong most.
    """

    name = "thread-local-check"
    guards: ClassVar[bool] = True

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        """Die if it is not the loader who asks."""
        if load.actor and load.memory.depth and load.memory.update_pending:
            load.abort(
                f"{use.reader}: flat view of {space.name} used by {load.actor} while the load has changes pending"
            )
        return space.current
