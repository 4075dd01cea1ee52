"""Ring caches and ring checks when the guest is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.designs.assert_depth import AssertDepth

if TYPE_CHECKING:
    from model.designs.design import Load, Rings
    from vmformat import Refusal


class V3Runstate(AssertDepth):
    """Caches and checks wait, device by device, for the run-state change that starts the guest (v3, 13 December 2022).

    Peter Xu, 13 December: then it is too late to refuse, since the source is gone; and what waits are not only checks,
    the used and in-use indices are set there as well. A guest that is not started keeps them unset.
    """

    name = "v3-runstate"

    def __init__(self) -> None:
        self._waiting: list[tuple[Rings, int]] = []

    def ring_cache(self, load: Load, device: Rings, index: int) -> None:
        """Not now."""

    def ring_check(self, load: Load, device: Rings, index: int) -> Refusal | None:
        """Not now either."""
        self._waiting.append((device, index))
        return None

    def run_state_change(self, load: Load) -> None:
        """If the guest is started: build and check; what is wrong can only break the device."""
        if not load.running:
            return
        for device, index in self._waiting:
            device.build_cache(index)
            refusal = device.check_ring(index)
            if refusal is not None:
                device.error(" ".join(refusal.messages))
        self._waiting = []
