"""virtio-mem: where and how large it is must be as in the destination (virtio.md 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.virtio.device import EINVAL, Virtio
from vmformat import Refusal

if TYPE_CHECKING:
    from model.load_state import LoadState

_PROPERTIES: Final = (
    ("addr", "Property 'memaddr' changed from {:#x} to {:#x}"),
    ("region_size", "Property 'memdev' size changed from {:#x} to {:#x}"),
    ("block_size", "Property 'block-size' changed from {:#x} to {:#x}"),
    ("node", "Property 'node' changed from {} to {}"),
)


class VirtioMem(Virtio):
    """Memory in blocks that come and go."""

    fields: ClassVar[frozenset[str]] = Virtio.fields | {f"virtio.device.tmp.{name}" for name, _ in _PROPERTIES}
    post: ClassVar[frozenset[str]] = Virtio.post | {"virtio-mem-device/sanity-checks"}

    def own_field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """Kept until all four are there."""
        self.loaded[path] = value
        return None

    def own_post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """They must be as they are here."""
        for name, text in _PROPERTIES:
            field = f"virtio.device.tmp.{name}"
            theirs, ours = self.number(field), self.local(field)
            if theirs != ours:
                return Refusal(EINVAL, (text.format(theirs, ours),), 0, field)
        return None
