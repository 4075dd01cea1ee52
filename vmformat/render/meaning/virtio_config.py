"""The device config of virtio devices by its registers (VIRTIO 1.2, chapter 5), all little-endian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Layout: TypeAlias = tuple[tuple[str, int], ...]
"""Names and bytes of registers, one behind the other; a name that begins with `_` is not shown."""

_NET: Final[Layout] = (
    ("mac", 6),
    ("status", 2),
    ("max_virtqueue_pairs", 2),
    ("mtu", 2),
    ("speed", 4),
    ("duplex", 1),
    ("rss_max_key_size", 1),
    ("rss_max_indirection_table_length", 2),
    ("supported_hash_types", 4),
)
_BLK: Final[Layout] = (
    ("capacity", 8),
    ("size_max", 4),
    ("seg_max", 4),
    ("cylinders", 2),
    ("heads", 1),
    ("sectors", 1),
    ("blk_size", 4),
    ("physical_block_exp", 1),
    ("alignment_offset", 1),
    ("min_io_size", 2),
    ("opt_io_size", 4),
    ("writeback", 1),
    ("_unused", 1),
    ("num_queues", 2),
    ("max_discard_sectors", 4),
    ("max_discard_seg", 4),
    ("discard_sector_alignment", 4),
    ("max_write_zeroes_sectors", 4),
    ("max_write_zeroes_seg", 4),
    ("write_zeroes_may_unmap", 1),
)
_SCSI: Final[Layout] = (
    ("num_queues", 4),
    ("seg_max", 4),
    ("max_sectors", 4),
    ("cmd_per_lun", 4),
    ("event_info_size", 4),
    ("sense_size", 4),
    ("cdb_size", 4),
    ("max_channel", 2),
    ("max_target", 2),
    ("max_lun", 4),
)
_LAYOUTS: Final[Mapping[str, Layout]] = {
    "net": _NET,
    "blk": _BLK,
    "scsi": _SCSI,
    "console": (("cols", 2), ("rows", 2), ("max_nr_ports", 4), ("emerg_wr", 4)),
    "balloon": (("num_pages", 4), ("actual", 4), ("free_page_hint_cmd_id", 4), ("poison_val", 4)),
    "gpu": (("events_read", 4), ("events_clear", 4), ("num_scanouts", 4), ("num_capsets", 4)),
    "iommu": (
        ("page_size_mask", 8),
        ("input_range.start", 8),
        ("input_range.end", 8),
        ("domain_range.start", 4),
        ("domain_range.end", 4),
        ("probe_size", 4),
        ("bypass", 1),
    ),
    "mem": (
        ("block_size", 8),
        ("node_id", 2),
        ("_padding", 6),
        ("addr", 8),
        ("region_size", 8),
        ("usable_region_size", 8),
        ("plugged_size", 8),
        ("requested_size", 8),
    ),
}


def config(kind: str, data: bytes) -> str:
    """The registers that are not 0, as far as the bytes go: `capacity 0x200000, seg_max 0xfe`. "" for unknown kinds."""
    found = []
    at = 0
    for name, size in _LAYOUTS.get(kind, ()):
        raw = data[at : at + size]
        at += size
        if len(raw) < size:
            break
        if name[0] == "_" or not any(raw):
            continue
        value = int.from_bytes(raw, "little")
        found.append(f"{name} {raw.hex(':') if name == 'mac' else value if value < 10 else hex(value)}")
    return ", ".join(found)
