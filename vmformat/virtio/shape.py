"""What the destination decides about the layout of a virtio section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

QUEUE_MAX: Final = 1024
"""Queues that the core subsections always describe, and segments of a request."""

KINDS: Final[Mapping[str, int]] = {
    "9p": 1,
    "balloon": 1,
    "blk": 2,
    "console": 3,
    "gpu": 1,
    "input": 1,
    "iommu": 2,
    "mem": 1,
    "net": 11,
    "rng": 1,
    "scsi": 1,
}
"""Kinds of devices that migrate, and the version of their section. The section's vmsd is called `virtio-KIND`."""

HOST_KINDS: Final[Mapping[str, tuple[str, int]]] = {
    "vhost-user-blk": ("vhost-user-blk", 1),
    "vhost-scsi": ("virtio-vhost_scsi", 1),
    "vhost-vsock": ("virtio-vhost_vsock", 0),
    "crypto": ("virtio-crypto", 1),
}
"""Kinds whose queues are worked on elsewhere, or that do not migrate yet: the section's vmsd and its version.

Nobody has seen sections of these here; they hold what every virtio section does and nothing of their own.
"""

VMSDS: Final[Mapping[str, str]] = {
    **{f"virtio-{kind}": kind for kind in KINDS},
    **{vmsd: kind for kind, (vmsd, _) in HOST_KINDS.items()},
}
"""Kinds by the vmsd of their section."""


@dataclass(frozen=True, slots=True)
class VirtioShape:
    """A device as far as its section's layout depends on it.

    `kind`: a key of `KINDS` or `HOST_KINDS`. `express`: 4096 bytes of PCI config instead of 256. `vectors`: of MSI-X,
    0 without.
    `queues`: the num-queues property (virtio-blk: a request tells its queue iff there are several). `max_queue_pairs`:
    virtio-net. `packed`: the host offers RING_PACKED. `max_ports`: virtio-serial, the bits of its map of ports.
    `blocks`: virtio-mem, the bits of its map of plugged memory; `early`: it has sent that map in a section of its own.
    """

    kind: str
    express: bool
    vectors: int
    transport: Literal["pci", "mmio"] = "pci"
    queues: int = 1
    max_queue_pairs: int = 1
    packed: bool = False
    max_ports: int = 31
    blocks: int = 0
    early: bool = False
