"""User-mode networking: its section begins with the connections of forwarded guests' ports, if there are any.

Asked of QEMU 7.2 with libslirp 4.7: a byte that is not 0 says that a connection follows; that one begins with a number
of 32 bits, then its two ends, each an address family (16 bits, of which only IPv4 can be loaded), address and port.

Model: what follows the two ends of a connection is passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.handler import Effects
from vmformat import Refusal

if TYPE_CHECKING:
    from model.load_state import LoadState

EINVAL: Final = 22
IPV4: Final = 2
ENDS: Final = {"fhost": 5, "lhost": 13}
"""Where the family of each end stands, behind the byte that says that there is a connection."""


class Slirp(Effects):
    """The section of one user-mode network."""

    vmsd: ClassVar[str] = "slirp"
    fields: ClassVar[frozenset[str]] = frozenset({"data"})

    def field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """Refuse a connection between ends that are not IPv4."""
        assert isinstance(value, bytes)
        if not value or not value[0]:
            return None
        for end, at in ENDS.items():
            family = int.from_bytes(value[at : at + 2], "big")
            if family != IPV4:
                lines = (
                    f"Slirp: invalid ss_family type {family:x}",
                    "warning: Slirp: Failed to load slirp-socket-addr:tmp",
                    f"warning: Slirp: Failed to load slirp-socket:{end}",
                )
                return Refusal(EINVAL, lines, 0, path)
        load.not_modelled.add("slirp: a connection under way")
        return None
