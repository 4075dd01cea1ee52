"""virtio-iommu: which functions see memory as it is, and which through the device (virtio.md 4.2).

Each PCI function has a container of its own, with an alias of all memory and a remapping region in it, one of which is
enabled. A load decides anew which: by the domain that the function's requester id belongs to, else by `config.bypass`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.virtio import Virtio
from model.errors import Abort
from model.memory import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.description import VirtioEntry
    from model.devices.handler import Handler
    from model.devices.pci import PciFunction
    from model.loader import LoadState
    from model.machine import Machine
    from model.memory import Region
    from vmformat import Refusal

SECONDARY_BUS: Final = 0x19
_DEVICE: Final = "virtio.device."
_DOMAIN: Final = f"{_DEVICE}domains[].value."


class VirtioIommu(Virtio):
    """The device that remaps others' accesses."""

    fields: ClassVar[frozenset[str]] = Virtio.fields | {
        f"{_DEVICE}config.bypass", f"{_DOMAIN}id", f"{_DOMAIN}bypass", f"{_DOMAIN}endpoint_list[].id",
    }  # fmt: skip
    post: ClassVar[frozenset[str]] = Virtio.post | {"virtio-iommu-device"}

    def __init__(self, machine: Machine, handler: Handler, entry: VirtioEntry) -> None:
        super().__init__(machine, handler, entry)
        self._forget()

    def _forget(self) -> None:
        self.bypass = True
        self.domains: list[tuple[bool, list[int]]] = []

    def reset(self) -> None:
        """Pristine; the map is put back by the memory's own undo journal."""
        super().reset()
        self._forget()

    def own_field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """Domains one after the other: whether each bypasses, who belongs to it."""
        assert isinstance(value, int)
        if path.endswith("config.bypass"):
            self.bypass = value != 0
        elif "endpoint_list" in path:
            self.domains[-1][1].append(value)
        elif path.endswith(".bypass"):
            self.domains[-1] = (bool(value), self.domains[-1][1])
        else:
            self.domains.append((False, []))
        return None

    def own_post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Every function gets the map that its domain has. Raises Abort for a member that is no function.

        Model: what is mapped in a domain is not followed; whatever is read through the device is zeros.
        """
        functions = dict(self._functions())
        belongs: dict[int, bool] = {}
        for bypass, endpoints in self.domains:
            for endpoint in endpoints:
                if endpoint not in functions:
                    raise Abort("reconstruct_endpoints: Assertion `mr' failed.")
                belongs[endpoint] = bypass
                load.not_modelled.add("virtio-iommu: what a domain maps")
        self.domains = []
        for requester, (plain, remapped) in functions.items():
            load.step()
            bypassed = belongs.get(requester, self.bypass)
            first, second = (remapped, plain) if bypassed else (plain, remapped)
            self.memory.set_enabled(first, enabled=False)
            self.memory.set_enabled(second, enabled=True)
        return None

    def _functions(self) -> Iterator[tuple[int, tuple[Region, Region]]]:
        """By requester id: the alias of all memory and the remapping region of each function behind the device."""
        for function in self.machine.functions.values():
            container = None if function.master_alias is None else function.master_alias.alias
            if container is None:
                continue
            plain = next((child for child in container.subregions if child.kind is Kind.ALIAS), None)
            remapped = next((child for child in container.subregions if child.kind is Kind.IOMMU), None)
            if plain is not None and remapped is not None and len(container.subregions) == 2:
                yield _requester(self.machine, function), (plain, remapped)


def _requester(machine: Machine, function: PciFunction) -> int:
    """Bus number and devfn; the bus is numbered by the bridge in front of it."""
    slot, _, number = function.entry.function.rpartition(":")[2].partition(".")
    parent = machine.functions.get(function.entry.parent or "")
    bus = 0 if parent is None else parent.config[SECONDARY_BUS]
    return bus << 8 | int(slot, 16) << 3 | int(number)
