"""virtio-console, which is what the virtio-serial device is called (facts: virtio.md 4.2).

Old-style. What a port's driver had not taken yet is an element with the place where it goes on.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from vmformat.schema import Count, Field, When
from vmformat.virtio.element import element
from vmformat.virtio.parts import raw, struct

if TYPE_CHECKING:
    from vmformat.schema import Schema
    from vmformat.virtio.shape import VirtioShape

MAP_BITS: Final = 32


@lru_cache
def serial_device(shape: VirtioShape) -> Schema:
    """Size of the console, map of ports, and the active ports in the order in which they were made."""
    has = When("has_element")
    port = raw(
        "virtio-serial-port",
        Field("id", "uint32"),
        Field("guest_connected", "uint8"),
        Field("host_connected", "uint8"),
        Field("has_element", "uint32"),
        Field("iov_idx", "uint32", when=has),
        Field("iov_offset", "uint64", when=has),
        Field("element", "struct", when=has, struct=element(shape.packed)),
    )
    return raw(
        "virtio-serial",
        Field("cols", "uint16"),
        Field("rows", "uint16"),
        Field("max_nr_ports", "uint32"),
        Field("ports_map", "uint32", count=(shape.max_ports + MAP_BITS - 1) // MAP_BITS),
        Field("nr_active_ports", "uint32"),
        struct("ports", port, Count("nr_active_ports")),
    )
