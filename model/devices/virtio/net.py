"""virtio-net: what the saved device needs and this one lacks, and the number of its queues (virtio.md 4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.virtio.device import EINVAL, Virtio
from model.devices.virtio.queue_pairs import QueuePairs
from vmformat import Refusal

if TYPE_CHECKING:
    from model.description import VirtioEntry
    from model.devices.handler import Handler
    from model.devices.virtio.saved import Fields
    from model.load_state import LoadState
    from model.machine import Machine

GUEST_OFFLOADS, MRG_RXBUF, CTRL_VLAN = 1 << 2, 1 << 15, 1 << 19
VLANS: Final = 512
ADDRESSES: Final = 64
NEGATIVE: Final = 1 << 31
RSS: Final = 1 << 60
_RSS_DATA: Final = "virtio.device.virtio-net-device/rss.rss_data."
_RSS: Final = (
    *(
        f"{_RSS_DATA}{name}"
        for name in ("enabled", "redirect", "populate_hash", "hash_types", "indirections_len", "default_queue")
    ),
    *(f"{_RSS_DATA}key[{index}]" for index in range(40)),
)


class VirtioNet(Virtio):
    """A network card."""

    fields: ClassVar[frozenset[str]] = Virtio.fields | {
        "virtio.device.mac_table.in_use", "virtio.device.curr_queue_pairs",
        "virtio-net-vnet:has_vnet_hdr", "virtio-net-ufo:has_ufo", "virtio-net-device/rss:rss_data.enabled",
        "virtio-net-device/rss:rss_data.populate_hash",
    }  # fmt: skip
    pre: ClassVar[frozenset[str]] = frozenset({"virtio-net-tx_waiting"})
    post: ClassVar[frozenset[str]] = Virtio.post | {"virtio-net-device", "virtio-net-vnet", "virtio-net-ufo"}

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
        self.net[path.rsplit(".", 1)[-1]] = int(value)
        return None

    def pre_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Before as many counters as there are queue pairs."""
        pairs, most = self.net.get("curr_queue_pairs", 0), self.entry.max_queue_pairs
        if pairs > most:
            text = f"virtio-net: curr_queue_pairs {pairs:x} > max_queue_pairs {most:x}"
            return Refusal(EINVAL, (text,), 0, "curr_queue_pairs")
        return None

    def own_post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """What the saved network device needs and this one lacks.

        Model: nowhere can the host spread packets by a program of its own; the device does it, and says so.
        """
        if vmsd == "virtio-net-device" and self.net.get("enabled") and not self.net.get("populate_hash"):
            load.messages.append("warning: Can't post-load eBPF RSS - fallback to software RSS")
        if vmsd == "virtio-net-vnet" and self.net.get("has_vnet_hdr") and not self.entry.has_vnet_hdr:
            return Refusal(EINVAL, ("virtio-net: saved image requires vnet_hdr=on",), 0, "has_vnet_hdr")
        if vmsd == "virtio-net-ufo" and self.net.get("has_ufo") and not self.entry.has_ufo:
            return Refusal(EINVAL, ("virtio-net: saved image requires TUN_F_UFO support",), 0, "has_ufo")
        return None

    def own_saved(self) -> Fields:
        """What features decide, what the device has or has not, a table of addresses that was too long."""
        found: Fields = {
            "virtio.device.mergeable_rx_bufs": int(bool(self.features & MRG_RXBUF)),
            "virtio.device.vlans": bytes(VLANS) if self.features & CTRL_VLAN else b"\xff" * VLANS,
            "virtio.device.tmp[0].has_vnet_hdr": int(self.entry.has_vnet_hdr),
            "virtio.device.tmp[1].has_ufo": int(self.entry.has_ufo),
        }
        if self.net.get("in_use", 0) > ADDRESSES:
            found["virtio.device.mac_table.in_use"] = 0
            if self.net["in_use"] < NEGATIVE:
                found |= dict.fromkeys((f"virtio.device.unused[{index}]" for index in range(self.net["in_use"])), None)
        if not self.features & GUEST_OFFLOADS:
            found["virtio.device.curr_guest_offloads"] = None
        if not self.net.get("enabled"):
            found |= dict.fromkeys(_RSS, None)
        else:
            found[f"{_RSS_DATA}redirect"] = int(bool(self.features & RSS))
        return found

    def queue_count(self, load: LoadState, count: int) -> None:
        """The device gets so many queues before they are loaded."""
        self.pairs.change(load, count)

    def set_features(self, load: LoadState, features: int) -> None:
        """The device gets as many queues as the features call for."""
        self.pairs.set_features(load, features)
