"""The generation id: the destination writes its own into guest memory; found by experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.handler import Effects
from model.memory import write

if TYPE_CHECKING:
    from model.load_state import LoadState
    from vmformat import Refusal

SIZE: Final = 16


class VmGenId(Effects):
    """vmgenid: the guest has told where it wants the id."""

    vmsd: ClassVar[str] = "vmgenid"
    fields: ClassVar[frozenset[str]] = frozenset({"vmgenid_addr_le"})
    post: ClassVar[frozenset[str]] = frozenset({"vmgenid"})

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """A write to the whole memory.

        Model: the id is random unless the arguments give one; zeros are written in its stead.
        """
        told = self.loaded.get("vmgenid_addr_le", b"")
        address = int.from_bytes(bytes(told) if isinstance(told, (bytes, tuple)) else b"", "little")
        if address:
            machine = self.machine
            write(machine.memory, machine.memory_space, address, bytes(SIZE), "vmgenid_update_guest")
        return None
