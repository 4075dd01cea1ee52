"""User-mode networking: an old-style section, which QEMU describes as one buffer. Seen of QEMU 7.2 with libslirp 4.7.

Connections that the host forwards come first, each announced by a byte that is not 0; then the number of the next IP
packet, and the clients that the DHCP server knows.

Model: what a connection holds is not taken apart; a section with one is a byte and a rest without names.
"""

from __future__ import annotations

from typing import Final

from vmformat.schema import Field, Schema

_CLIENTS: Final = 16

_CLIENT: Final = Schema("bootp-client", 1, 1, (Field("allocated", "uint16"), Field("macaddr", "buffer", 6)))

SLIRP: Final = Schema(
    "slirp",
    4,
    1,
    (
        Field("sockets", "repeat"),
        Field("ip_id", "uint16"),
        Field("bootp_clients", "struct", count=_CLIENTS, since=3, struct=_CLIENT),
    ),
)
"""Version 4."""
