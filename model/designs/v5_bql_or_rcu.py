"""A guard that knows of the lock, and that RCU satisfies."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.designs.wrap_main import WrapMain

if TYPE_CHECKING:
    from model.designs.design import Load
    from model.memory import AddressSpace, FlatView, Use


class V5BqlOrRcu(WrapMain):
    """`wrap-main`; aborts unless the reader is inside RCU, or has the lock and nothing is open (v5, February 2023).

    Chuang Xu: AHCI's post-load maps guest memory through an old view, under RCU, and the guard stays silent. Juan
    Quintela: a device that is plugged during a load, under the lock and without RCU, dies of it.
    """

    name = "v5-bql-or-rcu"
    guards: ClassVar[bool] = True
    shows_on: ClassVar[tuple[str, ...]] = ("q35-sata",)

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        """Die without RCU, unless the lock is held and no transaction is open."""
        memory = load.memory
        if not use.rcu and not (memory.has_lock and memory.depth == 0):
            held = "with" if memory.has_lock else "without"
            load.abort(
                f"{use.reader}: flat view of {space.name} used at depth {memory.depth} {held} the lock, without RCU"
            )
        return space.current
