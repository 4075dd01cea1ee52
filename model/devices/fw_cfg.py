"""The firmware configuration device: the ACPI blobs take the size they had on the source (pci.md 5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.devices.handler import Effects

if TYPE_CHECKING:
    from model.load_state import LoadState
    from vmformat import Refusal


class FwCfg(Effects):
    """Three blobs, in the order of their sizes on the wire."""

    vmsd: ClassVar[str] = "fw_cfg"
    BLOBS: ClassVar[dict[str, str]] = {
        "table_mr_size": "/rom@etc/acpi/tables",
        "linker_mr_size": "/rom@etc/table-loader",
        "rsdp_mr_size": "/rom@etc/acpi/rsdp",
    }
    fields: ClassVar[frozenset[str]] = frozenset(f"fw_cfg/acpi_mr:{name}" for name in BLOBS)
    post: ClassVar[frozenset[str]] = frozenset({"fw_cfg/acpi_mr"})

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Each blob in turn."""
        for key, value in self.loaded.items():
            block = self.BLOBS[key.rsplit(".", 1)[-1]]
            if isinstance(value, int):
                self.machine.resize_block(block, value)
        return None
