"""A whole virtio section, whatever the device and its transport (facts: virtio.md 1-4).

One grammar in pieces. `virtio_schema` puts them together for those who read; a loader acts between them, because QEMU
does (BARs are mapped behind the PCI part, vectors are checked, features set at the end):

    pci          vmsd PCIDevice; or `mmio`: three registers
    msix         MSI-X table, pending bits, config vector; nothing without MSI-X
    head         status, isr, queue_sel, low features, device config
    queues       number of queues, a record for each
    device       what this kind of device adds: old-style bytes, or a vmsd with its subsections
    core         vmsd virtio: nothing but subsections

Those in between are old-style (`raw`): nothing is checked at the end of the data.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from vmformat.schema import Schema
from vmformat.virtio.balloon import BALLOON_DEVICE
from vmformat.virtio.blk import blk_requests
from vmformat.virtio.core import CORE_HEAD, core, queues
from vmformat.virtio.gpu import GPU_STATE
from vmformat.virtio.iommu import IOMMU_DEVICE
from vmformat.virtio.mem import mem_device
from vmformat.virtio.net import net_device
from vmformat.virtio.parts import raw, struct
from vmformat.virtio.serial import serial_device
from vmformat.virtio.shape import HOST_KINDS, KINDS
from vmformat.virtio.transport import MMIO_HEAD, msix, pci_device

if TYPE_CHECKING:
    from vmformat.virtio.shape import VirtioShape


def device(shape: VirtioShape) -> Schema:
    """The piece that is the device's own."""
    match shape.kind:
        case "net":
            return net_device(shape)
        case "blk":
            return blk_requests(shape)
        case "console":
            return serial_device(shape)
        case "balloon":
            return BALLOON_DEVICE
        case "iommu":
            return IOMMU_DEVICE
        case "mem":
            return mem_device(shape)
        case _:
            return raw(f"virtio-{shape.kind}-nothing")


@lru_cache
def virtio_schema(shape: VirtioShape) -> Schema:
    """The whole section: vmsd `virtio-KIND`, its field `virtio`, the pieces as structs in it; KeyError for no kind."""
    transport = (
        (struct("mmio", MMIO_HEAD),)
        if shape.transport == "mmio"
        else (struct("pci", pci_device(shape.express)), struct("msix", msix(shape.vectors)))
    )
    body = (
        *transport,
        struct("head", CORE_HEAD),
        struct("queues", queues(shape.vectors, shape.transport)),
        struct("device", device(shape)),
        struct("core", core(shape.transport, newer=True)),
    )
    fields = [struct("virtio", raw("virtio", *body))]
    if shape.kind == "gpu":
        fields.append(struct("virtio-gpu", GPU_STATE))
    name, version = HOST_KINDS.get(shape.kind) or (f"virtio-{shape.kind}", KINDS[shape.kind])
    return Schema(name, version, version, tuple(fields))
