"""virtio-balloon: vmsd virtio-balloon-device (facts: virtio.md 4.2)."""

from __future__ import annotations

from typing import Final

from vmformat.schema import Field, Schema
from vmformat.virtio.parts import sub

BALLOON_DEVICE: Final = Schema(
    "virtio-balloon-device",
    1,
    1,
    (Field("num_pages", "uint32"), Field("actual", "uint32")),
    (
        sub(
            "virtio-balloon-device/free-page-report",
            Field("free_page_hint_cmd_id", "uint32"),
            Field("free_page_hint_status", "uint32"),
        ),
        sub("virtio-balloon-device/page-poison", Field("poison_val", "uint32")),
    ),
)
"""Pages asked for and given; free-page hinting; page poisoning."""
