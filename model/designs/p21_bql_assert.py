"""A guard at the lock instead of at the view."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.designs.design import Design

if TYPE_CHECKING:
    from model.designs.design import Load


class P21BqlAssert(Design):
    """QEMU as it is; aborts if the lock is released while a transaction has changes pending (Peter Xu, July 2021).

    It keeps others from seeing half a transaction through the lock. A reader that takes no lock is not its business:
    it is blind to reads.
    """

    name = "p21-bql-assert"
    guards: ClassVar[bool] = True

    def lock_released(self, load: Load) -> None:
        """Die with something pending."""
        if load.memory.depth and load.memory.update_pending:
            load.abort("qemu_mutex_unlock_iothread: a memory transaction is pending")
