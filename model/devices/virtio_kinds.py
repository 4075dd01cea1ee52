"""Which class loads which kind of virtio device."""

from __future__ import annotations

from typing import Final

from model.devices.virtio import Virtio
from model.devices.virtio_balloon import VirtioBalloon
from model.devices.virtio_blk import VirtioBlk
from model.devices.virtio_gpu import VirtioGpu
from model.devices.virtio_iommu import VirtioIommu
from model.devices.virtio_mem import VirtioMem
from model.devices.virtio_net import VirtioNet
from model.devices.virtio_serial import VirtioSerial

VIRTIO: Final[dict[str, type[Virtio]]] = {
    "9p": Virtio,
    "balloon": VirtioBalloon,
    "blk": VirtioBlk,
    "console": VirtioSerial,
    "gpu": VirtioGpu,
    "input": Virtio,
    "iommu": VirtioIommu,
    "mem": VirtioMem,
    "net": VirtioNet,
    "rng": Virtio,
    "scsi": Virtio,
}
"""By kind (`vmformat.virtio.KINDS`). What the payloads of those that are plain `Virtio` say has no consequences."""
