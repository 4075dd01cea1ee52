"""The e1000e network card: it must have been configured with the subsystem numbers that it has here."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.handler import Effects
from vmformat import Refusal

if TYPE_CHECKING:
    from model.load_state import LoadState

EPERM: Final = 1
VENDOR, SUBSYSTEM = 0x2C, 0x2E
DIFFER: Final = "ERROR: Cannot migrate while device properties (subsys/subsys_ven) differ"


class E1000e(Effects):
    """Its own copies of the numbers are compared with those of the destination, which are in its config space."""

    vmsd: ClassVar[str] = "e1000e"
    fields: ClassVar[frozenset[str]] = frozenset({"e1000e:subsys", "e1000e:subsys_ven"})
    post: ClassVar[frozenset[str]] = frozenset({"e1000e"})

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Either of them different ends the load."""
        function = self.handler.function
        if function is None:
            return None
        own = function.entry.config
        for name, at in (("subsys", SUBSYSTEM), ("subsys_ven", VENDOR)):
            if name in self.loaded and self.number(name) != int.from_bytes(own[at : at + 2], "little"):
                return Refusal(EPERM, (DIFFER,), 0, name)
        return None
