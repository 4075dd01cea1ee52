"""The shipped seeded bugs by name. A new one is a class in a file beside this one and a line in its list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.seeded import (
    bridges,
    caches,
    chipset,
    history_devices,
    history_format,
    history_rings,
    history_virtio,
    listeners,
    pci,
    rendering,
    transactions,
    tree,
)
from model.seeded.bug import name_of

if TYPE_CHECKING:
    from model.seeded.bug import SeededBug

_ALL: Final[tuple[type[SeededBug], ...]] = (
    *tree.BUGS,
    *history_virtio.BUGS,
    *history_rings.BUGS,
    *history_devices.BUGS,
    *history_format.BUGS,
    *transactions.BUGS,
    *rendering.BUGS,
    *listeners.BUGS,
    *caches.BUGS,
    *pci.BUGS,
    *bridges.BUGS,
    *chipset.BUGS,
)

SEEDED: Final[dict[str, type[SeededBug]]] = {name_of(bug): bug for bug in _ALL}
