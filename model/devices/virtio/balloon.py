"""virtio-balloon: nothing that a load acts upon, but what is saved of it depends on features (virtio.md 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.devices.virtio.device import Virtio

if TYPE_CHECKING:
    from model.devices.virtio.saved import Fields

FREE_PAGE_HINT, PAGE_POISON = 1 << 3, 1 << 4
_SUBSECTION: Final = "virtio.device.virtio-balloon-device/"


class VirtioBalloon(Virtio):
    """A balloon."""

    def own_saved(self) -> Fields:
        """Page poisoning when it was agreed upon, hints when they are offered."""
        found: Fields = {}
        if not self.features & PAGE_POISON:
            found[f"{_SUBSECTION}page-poison.poison_val"] = None
        if not self.entry.host_features & FREE_PAGE_HINT:
            for name in ("free_page_hint_cmd_id", "free_page_hint_status"):
                found[f"{_SUBSECTION}free-page-report.{name}"] = None
        return found
