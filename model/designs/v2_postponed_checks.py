"""Ring caches and ring checks in the memory listener."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.designs.wrap_main import WrapMain

if TYPE_CHECKING:
    from model.designs.design import Load, Rings
    from vmformat import Refusal


class V2PostponedChecks(WrapMain):
    """Caches and checks wait for the listener's commit, which a flag tells that a load is on (v2, 13 December 2022).

    Peter Xu, 12 December: no commit, no checks, and nothing pending means no commit. What a check finds wrong there can
    be told to nobody, so the program aborts. The depth that the getter asserts is a `static` in a header: each file
    asserts a copy of its own, which is always 0, and the guard is blind.
    """

    name = "v2-postponed-checks"
    guards: ClassVar[bool] = True

    def __init__(self) -> None:
        self._waiting: dict[Rings, list[int]] = {}

    def ring_cache(self, load: Load, device: Rings, index: int) -> None:
        """Not now."""

    def ring_check(self, load: Load, device: Rings, index: int) -> Refusal | None:
        """Not now either."""
        self._waiting.setdefault(device, []).append(index)
        return None

    def listener_commit(self, load: Load, device: Rings) -> None:
        """Build the caches, and check what waits; a refusal has nowhere to go."""
        device.build_caches()
        for index in self._waiting.pop(device, []):
            refusal = device.check_ring(index)
            if refusal is not None:
                load.abort(f"virtio_memory_listener_commit: {' '.join(refusal.messages)}")
