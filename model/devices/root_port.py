"""PCI Express ports: the power of a slot is recomputed and given to whatever is plugged in (pci.md 3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.devices.bridge import slot_has_power
from model.devices.handler import Effects

if TYPE_CHECKING:
    from model.devices.pci import PciFunction
    from model.load_state import LoadState
    from vmformat import Refusal


class RootPort(Effects):
    """A root or downstream port."""

    vmsd: ClassVar[str] = "pcie-root-port"
    post: ClassVar[frozenset[str]] = frozenset({
        "pcie-root-port", "ioh-3240-express-root-port", "xio3130-express-downstream-port",
    })  # fmt: skip

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Power for the slot's functions."""
        function = self.handler.function
        if function is not None:
            self._power(function, on=slot_has_power(function))
        return None

    def system_reset(self) -> None:
        """A slot that holds something has power."""
        super().system_reset()
        if self.handler.function is not None:
            self._power(self.handler.function, on=True)

    def _power(self, function: PciFunction, *, on: bool) -> None:
        for child in function.children:
            self.machine.touched_functions.add(child)
            child.set_power(on)
