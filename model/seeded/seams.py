"""The functions that a seeded bug may replace, by the short names that a bug's methods have.

Each is looked up where it is called, as an attribute of its module or class, so that replacing the attribute changes
the behaviour; a test holds every one of them to that. `docs/seams.md` shows them to people, with their parameters.
"""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Seam:
    """One function: `name` is the bug's method, `module` and `path` say where it lives, `does` what it does."""

    name: str
    module: str
    path: str
    does: str

    @property
    def place(self) -> str:
        """Where it lives, in one piece."""
        return f"{self.module}.{self.path}"

    def owner(self) -> tuple[Any, str]:
        """The module or class that has it, and the attribute's name there."""
        owner: Any = importlib.import_module(self.module)
        *classes, attribute = self.path.split(".")
        for name in classes:
            owner = getattr(owner, name)
        return owner, attribute

    def sound(self) -> Callable[..., Any]:
        """The function as it is now."""
        owner, attribute = self.owner()
        found: Callable[..., Any] = getattr(owner, attribute)
        return found

    def parameters(self) -> tuple[str, ...]:
        """The names of its parameters, `*` before one that takes any number; `self` is called after its class."""
        found = inspect.signature(self.sound()).parameters.values()
        names = ["*" * (one.kind is one.VAR_POSITIONAL) + one.name.lstrip("_") for one in found]
        if names[:1] == ["self"]:
            names[0] = _OWNERS.get(self.path.split(".")[0], self.path.split(".")[0].lower())
        return tuple(names)


_OWNERS: Final = {"Mutators": "memory", "PciFunction": "function", "SectionVisitor": "visitor"}
_MEMORY: Final = "model.memory.memory"
_VIRTIO: Final = "model.devices.virtio.device"
_PCI: Final = "model.devices.pci"
_BRIDGE: Final = "model.devices.bridge"

SEAMS: Final[dict[str, Seam]] = {
    seam.name: seam
    for seam in (
        # The memory API: the tree.
        Seam("insert", "model.memory.region", "insert", "insert a subregion among its siblings"),
        Seam("add_subregion", "model.memory.mutators", "Mutators.add_subregion", "put a region into a container"),
        Seam("del_subregion", "model.memory.mutators", "Mutators.del_subregion", "take a region out of its container"),
        Seam("set_enabled", "model.memory.mutators", "Mutators.set_enabled", "show or hide a region"),
        Seam("set_address", "model.memory.mutators", "Mutators.set_address", "move a region in its container"),
        Seam("set_size", "model.memory.mutators", "Mutators.set_size", "resize a region"),
        Seam(
            "set_alias_offset", "model.memory.mutators", "Mutators.set_alias_offset", "let an alias show another offset"
        ),
        Seam("init_alias", "model.memory.mutators", "Mutators.init_alias", "make an alias anew, as windows are"),
        # The memory API: from the tree to what is published.
        Seam("render", "model.memory.rendering", "render", "render a root, or patch an earlier rendering"),
        Seam("simplify", "model.memory.rendering", "simplify", "join ranges of a rendering that are one"),
        Seam("view_root", "model.memory.region", "view_root", "resolve the root of a view"),
        Seam("mark_pending", _MEMORY, "Memory.mark_pending", "mark an update pending"),
        Seam("begin", _MEMORY, "Memory.begin", "open a transaction"),
        Seam("commit", _MEMORY, "Memory.commit", "close a transaction"),
        Seam("do_commit", _MEMORY, "Memory.do_commit", "do the work of an outermost commit"),
        Seam("diff", "model.memory.listener", "diff", "the difference of two views"),
        Seam("notify", _MEMORY, "Memory.notify", "notify a listener"),
        Seam("cache_init", "model.memory.cache", "cache_init", "initialise a memory-region cache"),
        # PCI.
        Seam("bar_address", _PCI, "Bar.wanted", "the address that a config space asks for a BAR"),
        Seam("io_window", _BRIDGE, "io_window", "base and limit of a bridge's I/O window"),
        Seam("memory_window", _BRIDGE, "memory_window", "base and limit of a bridge's memory window"),
        Seam("prefetch_window", _BRIDGE, "prefetch_window", "base and limit of a bridge's prefetchable window"),
        Seam("rebuild_windows", _BRIDGE, "Bridge.rebuild", "bring a bridge's windows to where they are asked for"),
        Seam("check_config", _PCI, "PciFunction.check", "check the bytes of a loaded config space"),
        Seam("load_config", _PCI, "PciFunction.load", "take a checked config space"),
        Seam("remap_bars", _PCI, "PciFunction.remap_bars", "bring every BAR to where it is asked for"),
        Seam("set_master", _PCI, "PciFunction.set_master", "let a function reach memory, or not"),
        Seam("update_pam", "model.devices.chipset", "Pam.update", "show the shadow ranges as the registers say"),
        # Devices.
        Seam("section_schema", "model.devices.handler", "Handler.described", "say by which schema sections are loaded"),
        Seam("shown_fields", "model.devices.handler", "Handler.wanted", "name the fields that a device is shown"),
        Seam("load_field", "model.devices.handler", "SectionVisitor.field", "show a device a field that was read"),
        Seam(
            "device_post_load", "model.devices.handler", "SectionVisitor.post_load", "run a vmsd's post-load function"
        ),
        Seam("check_fields", "model.devices.checks.check", "Watch.judge", "check the fields of a loaded vmsd"),
        # virtio.
        Seam("virtio_field", _VIRTIO, "Virtio.field", "take a field of a virtio section"),
        Seam("virtio_load", _VIRTIO, "Virtio.post_load", "run what virtio_load does behind the fields"),
        Seam("build_cache", _VIRTIO, "Virtio.build_cache", "build the ring caches of a queue"),
        Seam("build_caches", _VIRTIO, "Virtio.build_caches", "build those of all queues, after a commit"),
        Seam("check_ring", _VIRTIO, "Virtio.check_ring", "read a ring's indices and derive what follows"),
        Seam("reset_queue", "model.devices.virtio.queue", "Queue.reset", "make a queue as it is at reset"),
        Seam("map_element", "model.devices.virtio.requests", "Requests.element", "map the segments of a request"),
        # The loader.
        Seam("load_new", "model.sections", "load_new", "load a START or FULL section"),
        Seam("load_more", "model.sections", "load_more", "load a PART or END section"),
        Seam("find_handler", "model.machine", "Machine.find_handler", "find the handler of a section"),
        Seam(
            "may_hold_subsection", "vmformat._steps.base", "Looks.find", "say whether a subsection may follow somewhere"
        ),
        Seam("load_subsections", "vmformat._steps.program", "Vmsd.scan", "load the subsections that follow"),
        Seam("load_payload", "model.devices.handler", "Handler.load", "load the payload of a device's section"),
    )
}
"""All of them, by name."""
