"""What virtio's words say: status and feature bits by their names in the VIRTIO specification."""

from __future__ import annotations

from typing import Final

from vmformat.render.meaning.bits import bits

STATUS: Final = {
    0: "ACKNOWLEDGE",
    1: "DRIVER",
    2: "DRIVER_OK",
    3: "FEATURES_OK",
    6: "NEEDS_RESET",
    7: "FAILED",
}
"""Bits of the device status."""

ISR: Final = {0: "queue", 1: "config"}
"""Bits of the ISR status."""

TRANSPORT: Final = {
    24: "NOTIFY_ON_EMPTY",
    27: "ANY_LAYOUT",
    28: "INDIRECT_DESC",
    29: "EVENT_IDX",
    30: "BAD_FEATURE",
    32: "VERSION_1",
    33: "ACCESS_PLATFORM",
    34: "RING_PACKED",
    35: "IN_ORDER",
    36: "ORDER_PLATFORM",
    37: "SR_IOV",
    38: "NOTIFICATION_DATA",
    39: "NOTIF_CONFIG_DATA",
    40: "RING_RESET",
    41: "ADMIN_VQ",
}
"""Feature bits of every device."""

FEATURES: Final[dict[str, dict[int, str]]] = {
    "net": {
        0: "CSUM",
        1: "GUEST_CSUM",
        2: "CTRL_GUEST_OFFLOADS",
        3: "MTU",
        5: "MAC",
        6: "GSO",
        7: "GUEST_TSO4",
        8: "GUEST_TSO6",
        9: "GUEST_ECN",
        10: "GUEST_UFO",
        11: "HOST_TSO4",
        12: "HOST_TSO6",
        13: "HOST_ECN",
        14: "HOST_UFO",
        15: "MRG_RXBUF",
        16: "STATUS",
        17: "CTRL_VQ",
        18: "CTRL_RX",
        19: "CTRL_VLAN",
        20: "CTRL_RX_EXTRA",
        21: "GUEST_ANNOUNCE",
        22: "MQ",
        23: "CTRL_MAC_ADDR",
        50: "DEVICE_STATS",
        52: "VQ_NOTF_COAL",
        53: "NOTF_COAL",
        54: "GUEST_USO4",
        55: "GUEST_USO6",
        56: "HOST_USO",
        57: "HASH_REPORT",
        59: "GUEST_HDRLEN",
        60: "RSS",
        61: "RSC_EXT",
        62: "STANDBY",
        63: "SPEED_DUPLEX",
    },
    "blk": {
        0: "BARRIER",
        1: "SIZE_MAX",
        2: "SEG_MAX",
        4: "GEOMETRY",
        5: "RO",
        6: "BLK_SIZE",
        7: "SCSI",
        9: "FLUSH",
        10: "TOPOLOGY",
        11: "CONFIG_WCE",
        12: "MQ",
        13: "DISCARD",
        14: "WRITE_ZEROES",
        15: "LIFETIME",
        16: "SECURE_ERASE",
        17: "ZONED",
    },
    "console": {0: "SIZE", 1: "MULTIPORT", 2: "EMERG_WRITE"},
    "balloon": {
        0: "MUST_TELL_HOST",
        1: "STATS_VQ",
        2: "DEFLATE_ON_OOM",
        3: "FREE_PAGE_HINT",
        4: "PAGE_POISON",
        5: "PAGE_REPORTING",
    },
    "scsi": {0: "INOUT", 1: "HOTPLUG", 2: "CHANGE", 3: "T10_PI"},
    "gpu": {0: "VIRGL", 1: "EDID", 2: "RESOURCE_UUID", 3: "RESOURCE_BLOB", 4: "CONTEXT_INIT"},
    "iommu": {
        0: "INPUT_RANGE",
        1: "DOMAIN_RANGE",
        2: "MAP_UNMAP",
        3: "BYPASS",
        4: "PROBE",
        5: "MMIO",
        6: "BYPASS_CONFIG",
    },
    "mem": {0: "ACPI_PXM", 1: "UNPLUGGED_INACCESSIBLE"},
    "9p": {0: "MOUNT_TAG"},
    "fs": {0: "NOTIFICATION"},
    "vsock": {0: "STREAM", 1: "SEQPACKET"},
    "crypto": {
        0: "REVISION_1",
        1: "CIPHER_STATELESS_MODE",
        2: "HASH_STATELESS_MODE",
        3: "MAC_STATELESS_MODE",
        4: "AEAD_STATELESS_MODE",
    },
    "pmem": {0: "SHMEM_REGION"},
}
"""Feature bits by kind of device."""

_NET_STATUS: Final = {0: "link up", 1: "announce"}
_NO_VECTOR: Final = 0xFFFF
_ENDIAN: Final = {0: "unknown", 1: "little", 2: "big"}


def kind_of(device: str) -> str:
    """`blk` for `0000:00:03.0/virtio-blk`; "" for what is no virtio device."""
    name = device.rpartition("/")[2]
    return name.removeprefix("virtio-").partition("-")[0] if name.startswith("virtio-") else ""


def features(kind: str, value: int, shift: int = 0) -> str:
    """The features in a word whose bit 0 is feature `shift`."""
    return bits(value << shift, {**TRANSPORT, **FEATURES.get(kind, {})})


def field(kind: str, path: str, name: str, value: int) -> str:
    """What a number in the section of a virtio device says, "" if there is nothing to add."""
    if name in {"features_lo", "guest_features"}:
        return features(kind, value)
    if name.startswith("guest_features[") and name[-2:] in {"0]", "1]"}:
        return features(kind, value, 32 if name[-2] == "1" else 0)
    if name == "status":
        return bits(value, _NET_STATUS if ".device." in path else STATUS)
    if name == "isr":
        return bits(value, ISR)
    if "vector" in name and value == _NO_VECTOR:
        return "none"
    if name == "device_endian":
        return _ENDIAN.get(value, "")
    return ""
