"""virtio-iommu: which functions see memory as it is, and which through the device (virtio.md 4.2).

Each PCI function has a container of its own, with an alias of all memory and a remapping region in it, one of which is
enabled. A load decides anew which: by the domain that the function's requester id belongs to, else by `config.bypass`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.virtio.device import U64, Virtio
from model.errors import Abort
from model.memory import Kind, Remapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.description import VirtioEntry
    from model.devices.handler import Handler
    from model.devices.pci import PciFunction
    from model.load_state import LoadState
    from model.machine import Machine
    from model.memory import Region
    from vmformat import Refusal

SECONDARY_BUS: Final = 0x19
PAGE: Final = 4096
READ, WRITE = 1, 2
MESSAGES, MESSAGES_END = 0xFEE00000, 0xFEEFFFFF
"""Where interrupts are sent to: reserved, never mapped."""

_DEVICE: Final = "virtio.device."
_DOMAIN: Final = f"{_DEVICE}domains[].value."


@dataclass(slots=True)
class Domain:
    """Functions that share a map: their requester ids, and (first, last, leads to, flags) of what is mapped."""

    bypass: bool = False
    members: list[int] = field(default_factory=list)
    mappings: list[list[int]] = field(default_factory=list)


class VirtioIommu(Virtio):
    """The device that remaps others' accesses."""

    fields: ClassVar[frozenset[str]] = Virtio.fields | {
        f"{_DEVICE}config.bypass", f"{_DOMAIN}id", f"{_DOMAIN}bypass", f"{_DOMAIN}endpoint_list[].id",
        *(f"{_DOMAIN}mappings[].{name}" for name in ("key.low", "key.high", "value.phys_addr", "value.flags")),
    }  # fmt: skip
    post: ClassVar[frozenset[str]] = Virtio.post | {"virtio-iommu-device"}

    def __init__(self, machine: Machine, handler: Handler, entry: VirtioEntry) -> None:
        super().__init__(machine, handler, entry)
        self._forget()
        self.requesters: dict[Region, int] = {}
        machine.memory.remap = self.remap

    def _forget(self) -> None:
        self.bypass = True
        self.domains: list[Domain] = []
        self.belongs: dict[int, Domain] = {}
        self.said: set[str] = set()

    def reset(self) -> None:
        """Pristine; the map is put back by the memory's own undo journal."""
        super().reset()
        self._forget()

    def system_reset(self) -> None:
        """As any device; nobody belongs to a domain, and all see the memory as it is."""
        super().system_reset()
        self._forget()
        for _, (plain, remapped) in self._functions():
            self.memory.set_enabled(remapped, enabled=False)
            self.memory.set_enabled(plain, enabled=True)

    def own_field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """Domains one after the other: who belongs to each, what it maps."""
        assert isinstance(value, int)
        if path == f"{_DEVICE}config.bypass":
            self.bypass = value != 0
        elif path.endswith(".low"):
            self.domains[-1].mappings.append([value])
        elif ".mappings[" in path:
            self.domains[-1].mappings[-1].append(value)
        elif ".endpoint_list[" in path:
            self.domains[-1].members.append(value)
        elif path.endswith(".bypass"):
            self.domains[-1].bypass = bool(value)
        else:
            self.domains.append(Domain())
        return None

    def own_post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Every function gets the map that its domain has. Raises Abort for a member that is no function."""
        functions = dict(self._functions())
        self.requesters = {remapped: requester for requester, (_, remapped) in functions.items()}
        for domain in self.domains:
            for member in domain.members:
                if member not in functions:
                    raise Abort("reconstruct_endpoints: Assertion `mr' failed.")
                self.belongs[member] = domain
        self.domains = []
        for requester, (plain, remapped) in functions.items():
            load.step()
            bypassed = self.belongs[requester].bypass if requester in self.belongs else self.bypass
            first, second = (remapped, plain) if bypassed else (plain, remapped)
            self.memory.set_enabled(first, enabled=False)
            self.memory.set_enabled(second, enabled=True)
        return None

    def remap(self, region: Region, offset: int, write: bool) -> Remapped | None:
        """Where a function's access leads; None where it is blocked, of which the program tells the first of a kind.

        Model: the fault is not reported in the event queue, should the guest have offered buffers there.
        """
        requester = self.requesters.get(region)
        domain = self.belongs.get(requester) if requester is not None else None
        address: int | None = None
        if domain is None:
            if self.bypass:
                address = offset
            else:
                self._say("virtio_iommu_translate sid=", f"{requester} is not known!!")
        elif domain.bypass or self._is_message(offset):
            address = offset
        else:
            address = self._mapped(domain, requester or 0, offset, READ if not write else WRITE)
        if address is None:
            self._say("no buffer available in event queue to report event", "")
            return None
        return Remapped(self.machine.memory_space, address, PAGE - address % PAGE)

    def _mapped(self, domain: Domain, requester: int, offset: int, wanted: int) -> int | None:
        for first, last, start, flags in domain.mappings:
            if first <= offset <= last:
                if not flags & wanted:
                    shown = f"0x{offset:x}({wanted}): allowed={flags}"
                    self._say("virtio_iommu_translate permission error on ", shown)
                    return None
                return (offset - first + start) & U64
        self._say("virtio_iommu_translate no mapping for ", f"0x{offset:x} for sid={requester}")
        return None

    def _is_message(self, offset: int) -> bool:
        return MESSAGES <= offset <= MESSAGES_END

    def _say(self, what: str, rest: str) -> None:
        if what not in self.said and self.load is not None:
            self.said.add(what)
            self.load.messages.append(what + rest)

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
