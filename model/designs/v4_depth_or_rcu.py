"""A guard that an RCU read section satisfies."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.designs.wrap_main import WrapMain

if TYPE_CHECKING:
    from model.designs.design import Load
    from model.memory import AddressSpace, FlatView, Use


class V4DepthOrRcu(WrapMain):
    """`wrap-main`; the getter aborts unless no transaction is open or the reader is inside RCU (v4, December 2022).

    The loader is inside an RCU read section in virtio_load, so its own reads pass. Paolo Bonzini, 23 December: it also
    passes when another thread has the transaction.
    """

    name = "v4-depth-or-rcu"
    guards: ClassVar[bool] = True

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        """Die with a transaction open and no RCU read section."""
        if load.memory.depth and not use.rcu:
            load.abort(f"{use.reader}: flat view of {space.name} used at depth {load.memory.depth} without RCU")
        return space.current
