"""Who reads through a flat view, as a path of calls in QEMU 7.2's function names (memory.md 6, virtio.md 5, 10).

A reader in this house is named after the function that makes the use. What calls it in a load, and what it calls until
the view is there, stands here. The same function may be called from elsewhere: from a memory listener's commit, or when
the received run state is applied. Held against backtraces of the program as far as its functions are exported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from model.memory import Use

Within: TypeAlias = Literal["", "commit", "run-state"]
"""What the loader is doing when a use happens: loading, committing, or applying the run state."""

_CALLERS: Final[dict[str, tuple[str, ...]]] = {
    "ahci_map_clb_address": ("ahci_state_post_load", "ahci_cond_start_engines"),
    "ahci_map_fis_address": ("ahci_state_post_load", "ahci_cond_start_engines"),
    "ahci_populate_sglist": ("ahci_state_post_load",),
    "cpu_physical_memory_read": ("vapic_post_load", "vapic_prepare", "patch_hypercalls"),
    "cpu_physical_memory_write": ("vapic_post_load", "vapic_prepare", "patch_hypercalls"),
    "handle_cmd": ("ahci_state_post_load", "check_cmd"),
    "intel_hda_parse_bdl": ("intel_hda_post_load",),
    "memory_region_find": ("vapic_post_load", "vapic_prepare", "vapic_map_rom_writable"),
    "usb_xhci_post_load": (),
    "virtio_init_region_cache": ("virtio_load",),
    "virtqueue_map_iovec": ("virtio_load", "qemu_get_virtqueue_element", "virtqueue_map"),
    "vtd_get_context_entry_from_root": ("vtd_dev_to_context_entry",),
    "vtd_get_root_entry": ("vtd_dev_to_context_entry",),
    "vtd_get_slpte": ("vtd_iova_to_slpte",),
    "xhci_dma_read_u32s": ("usb_xhci_post_load",),
}
"""What a load calls on the way to a reader, from the device's own load or post-load function on."""

_CALLED_ELSEWHERE: Final[dict[tuple[Within, str], tuple[str, ...]]] = {
    ("commit", "virtio_init_region_cache"): ("memory_region_transaction_commit", "virtio_memory_listener_commit"),
    ("run-state", "virtio_init_region_cache"): ("vm_state_notify", "virtio_vmstate_change"),
}

_MAP: Final = ("dma_memory_map", "address_space_map")
_RW: Final = ("dma_memory_rw", "address_space_rw", "address_space_read_full")
_READ: Final = ("dma_memory_read", *_RW)
_CALLED: Final[dict[str, tuple[str, ...]]] = {
    "ahci_map_clb_address": ("map_page", *_MAP),
    "ahci_map_fis_address": ("map_page", *_MAP),
    "ahci_populate_sglist": _MAP,
    "bare-access": ("address_space_read_full",),
    "cpu_physical_memory_read": ("cpu_physical_memory_rw", "address_space_rw", "address_space_read_full"),
    "cpu_physical_memory_write": ("cpu_physical_memory_rw", "address_space_rw", "address_space_write"),
    "handle_cmd": _MAP,
    "intel_hda_parse_bdl": ("pci_dma_read", *_RW),
    "memory_region_find": ("memory_region_find_rcu",),
    "monitor-mtree": ("hmp_info_mtree", "mtree_info_flatview"),
    "msi_send_message": ("address_space_stl_le",),
    "usb_xhci_post_load": ("ldq_le_dma", *_READ),
    "vcpu-access": ("address_space_read_full",),
    "virtio_gpu_load": _MAP,
    "virtio_init_region_cache": ("address_space_cache_init",),
    "virtqueue_map_iovec": _MAP,
    "xhci_dma_read_u32s": _READ,
}
"""What a reader calls on the way to the view."""

_GETTERS: Final = {
    "raw": ("address_space_to_flatview",),
    "reference": ("address_space_get_flatview", "address_space_to_flatview"),
    "dispatch": ("address_space_to_dispatch", "address_space_to_flatview"),
}


def call_path(use: Use, within: Within = "") -> tuple[str, ...]:
    """The functions from the one that loads the device down to the getter."""
    reader = use.reader
    before = _CALLED_ELSEWHERE.get((within, reader)) if within else None
    if before is None:
        before = _CALLERS.get(reader, ())
    called = _CALLED.get(reader, _READ if reader.startswith("vtd_") else ())
    return (*before, reader, *called, *_GETTERS[use.getter])
