"""Sections of virtio devices, which QEMU's own description leaves opaque: a grammar in pieces (see `section`)."""

from vmformat.virtio.blk import blk_requests
from vmformat.virtio.core import CORE_HEAD, core, queues
from vmformat.virtio.element import element
from vmformat.virtio.mem import mem_early
from vmformat.virtio.net import net_device
from vmformat.virtio.scsi import MPTSAS_PART, scsi_disk_schema, virtio_part
from vmformat.virtio.section import device, virtio_schema
from vmformat.virtio.shape import HOST_KINDS, KINDS, QUEUE_MAX, VMSDS, VirtioShape
from vmformat.virtio.transport import MMIO_HEAD, msix, pci_device

__all__ = [
    "CORE_HEAD",
    "HOST_KINDS",
    "KINDS",
    "MMIO_HEAD",
    "MPTSAS_PART",
    "QUEUE_MAX",
    "VMSDS",
    "VirtioShape",
    "blk_requests",
    "core",
    "device",
    "element",
    "mem_early",
    "msix",
    "net_device",
    "pci_device",
    "queues",
    "scsi_disk_schema",
    "virtio_part",
    "virtio_schema",
]
