"""virtio-iommu: vmsd virtio-iommu-device, its domains with what they map (facts: virtio.md 4.2)."""

from __future__ import annotations

from typing import Final

from vmformat.schema import Field, Schema
from vmformat.virtio.parts import struct

_INTERVAL: Final = Schema("interval", 1, 1, (Field("low", "uint64"), Field("high", "uint64")))
_MAPPING: Final = Schema("mapping", 1, 1, (Field("phys_addr", "uint64"), Field("flags", "uint32")))
_ENDPOINT: Final = Schema("endpoint", 1, 1, (Field("id", "uint32"),))

_DOMAIN: Final = Schema(
    "domain",
    2,
    2,
    (
        Field("id", "uint32"),
        Field(
            "mappings",
            "gtree",
            since=1,
            struct=Schema("mapping", 1, 1, (struct("key", _INTERVAL), struct("value", _MAPPING)), raw=True),
        ),
        Field("endpoint_list", "qlist", since=1, struct=_ENDPOINT),
        Field("bypass", "bool"),
    ),
)

IOMMU_DEVICE: Final = Schema(
    "virtio-iommu-device",
    2,
    2,
    (
        Field(
            "domains",
            "gtree",
            since=2,
            struct=Schema("domain", 2, 2, (Field("key", "uint64"), struct("value", _DOMAIN)), raw=True),
        ),
        Field("config.bypass", "uint8"),
    ),
)
"""Domains by id, and whether endpoints of none see memory as it is."""
