"""Which class loads which kind of virtio device."""

from __future__ import annotations

from typing import Final

from model.devices.virtio.balloon import VirtioBalloon
from model.devices.virtio.blk import VirtioBlk
from model.devices.virtio.device import Virtio
from model.devices.virtio.gpu import VirtioGpu
from model.devices.virtio.iommu import VirtioIommu
from model.devices.virtio.mem import VirtioMem
from model.devices.virtio.net import VirtioNet
from model.devices.virtio.serial import VirtioSerial

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
