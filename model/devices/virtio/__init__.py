"""virtio devices: one generic loader, and what each kind does with its own payload."""

from model.devices.virtio.device import Virtio
from model.devices.virtio.kinds import VIRTIO

__all__ = ["VIRTIO", "Virtio"]
