"""virtio-net: what the saved device needs and this one lacks, and the number of its queues (virtio.md 4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.devices.queue_pairs import QueuePairs
from model.devices.virtio import EINVAL, Virtio
from vmformat import Refusal

if TYPE_CHECKING:
    from model.description import VirtioEntry
    from model.devices.handler import Handler
    from model.loader import LoadState
    from model.machine import Machine


class VirtioNet(Virtio):
    """A network card."""

    fields: ClassVar[frozenset[str]] = Virtio.fields | {
        "virtio.device.curr_queue_pairs", "virtio-net-vnet:has_vnet_hdr", "virtio-net-ufo:has_ufo",
    }  # fmt: skip
    pre: ClassVar[frozenset[str]] = frozenset({"virtio-net-tx_waiting"})
    post: ClassVar[frozenset[str]] = Virtio.post | {"virtio-net-vnet", "virtio-net-ufo"}

    def __init__(self, machine: Machine, handler: Handler, entry: VirtioEntry) -> None:
        super().__init__(machine, handler, entry)
        self.pairs = QueuePairs(self)
        self.net: dict[str, int] = {}

    def reset(self) -> None:
        """Pristine: all pairs are there."""
        super().reset()
        self.pairs.reset()
        self.net = {}

    def device_reset(self) -> None:
        """As any device; the pairs stay."""
        super().device_reset()
        self.net = {}

    def own_field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """Kept for what comes behind."""
        assert isinstance(value, int)
        self.net[path.rsplit(".", 1)[-1]] = value
        return None

    def pre_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Before as many counters as there are queue pairs."""
        pairs, most = self.net.get("curr_queue_pairs", 0), self.entry.max_queue_pairs
        if pairs > most:
            text = f"virtio-net: curr_queue_pairs {pairs:x} > max_queue_pairs {most:x}"
            return Refusal(EINVAL, (text,), 0, "curr_queue_pairs")
        return None

    def own_post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """What the saved network device needs and this one lacks."""
        if vmsd == "virtio-net-vnet" and self.net.get("has_vnet_hdr") and not self.entry.has_vnet_hdr:
            return Refusal(EINVAL, ("virtio-net: saved image requires vnet_hdr=on",), 0, "has_vnet_hdr")
        if vmsd == "virtio-net-ufo" and self.net.get("has_ufo") and not self.entry.has_ufo:
            return Refusal(EINVAL, ("virtio-net: saved image requires TUN_F_UFO support",), 0, "has_ufo")
        return None

    def queue_count(self, load: LoadState, count: int) -> None:
        """The device gets so many queues before they are loaded."""
        self.pairs.change(load, count)

    def set_features(self, load: LoadState, features: int) -> None:
        """The device gets as many queues as the features call for."""
        self.pairs.set_features(load, features)
