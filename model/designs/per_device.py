"""The reference design."""

from __future__ import annotations

from model.designs.design import Design


class PerDevice(Design):
    """QEMU 7.2 as released: every memory-API call its own transaction, caches and checks at once.

    The thread's guest takes 210 ms this way; a 24-port q35 with 8 net and 16 blk functions rebuilds its views 122 times
    (designs.md).
    """

    name = "per-device"
