"""The transaction around the main loop, and a getter that forbids itself inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.designs.wrap_main import WrapMain

if TYPE_CHECKING:
    from model.designs.design import Load
    from model.memory import AddressSpace, FlatView, Use


class AssertDepth(WrapMain):
    """`wrap-main` with an assertion in the getter that no transaction is open (Peter Xu, 5 December 2022).

    Chuang Xu, 7 December: it fires at once in virtio_load, for every device with a configured ring.
    """

    name = "assert-depth"
    guards: ClassVar[bool] = True

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        """Die when a transaction is open, pending changes or not."""
        if load.memory.depth:
            load.abort(f"{use.reader}: flat view of {space.name} used at transaction depth {load.memory.depth}")
        return space.current
