"""Sections of virtio devices, which QEMU's own description leaves opaque: a grammar in pieces (see `section`)."""

from vmformat.virtio.blk import blk_requests
from vmformat.virtio.core import CORE_HEAD, core, queues
from vmformat.virtio.element import element
from vmformat.virtio.net import net_device
from vmformat.virtio.scsi import MPTSAS_PART, scsi_disk_schema, virtio_part
from vmformat.virtio.section import device, virtio_schema
from vmformat.virtio.shape import KINDS, QUEUE_MAX, VirtioShape
from vmformat.virtio.transport import MMIO_HEAD, msix, pci_device

__all__ = [
    "CORE_HEAD",
    "KINDS",
    "MMIO_HEAD",
    "MPTSAS_PART",
    "QUEUE_MAX",
    "VirtioShape",
    "blk_requests",
    "core",
    "device",
    "element",
    "msix",
    "net_device",
    "pci_device",
    "queues",
    "scsi_disk_schema",
    "virtio_part",
    "virtio_schema",
]
