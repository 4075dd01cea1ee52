"""intel-iommu: which devices' accesses are translated, and where they lead.

Source: the VT-d specification's tables (root, context, second level), pci.md 3.6, virtio.md 10; held against the
program by experiment. Every requester has an address space of its own, of which one of two regions is enabled:
`vtd-nodmar`, which shows the memory as it is, or the translating one. When the section is loaded (it comes behind the
bridges' and before all others), the right one is enabled for each, one commit for a region: translation, if it is on at
all and the requester's context entry does not say pass-through. The entry is looked for under the bus number that the
bridge above has at that moment. An access that finds such an entry later switches its requester then and there.

What has been translated is kept: a requester's context entry, and each page under the address that its request bore.
A load begins with nothing kept, and nothing in a load drops it: a section that comes again finds the tables of before.

Model: scalable mode (x-scalable-mode=on) is not followed: its requesters are told to be blocked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from model.devices import vtd_messages
from model.devices.handler import Effects, Handler
from model.devices.options import device_options, is_on, number
from model.devices.vtd_faults import QUALIFIED, Fault, Faults
from model.memory import Kind, Remapped, try_read
from model.outcome import DeviceState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.devices.pci import PciFunction
    from model.load_state import LoadState
    from model.machine import Machine
    from model.memory import Region
    from vmformat import Refusal

ROOT_NAME: Final = re.compile(r"vtd-([0-9a-f]{2})\.([0-7])")
SECONDARY_BUS: Final = 0x19
PAGE: Final = 4096
U64: Final = (1 << 64) - 1
PRESENT, READ, WRITE, LARGE = 1, 1, 2, 1 << 7
CONTEXT_RESERVED: Final = 0xFFFF_FFFF_FF00_0080
IGNORED: Final = 0xBFF0_0000_0000_0000
TRANSIENT: Final = 1 << 62
MULTI_LEVEL, DEVICE_TLB, PASS_THROUGH = 0, 1, 2
SILENT: Final = 2
KEPT_PAGES: Final = 1024
"""Pages kept; one more, and all are dropped."""
KEPT_LEVELS: Final = (1, 2, 3)
PASID: Final = "pasid=0xffffffff"


@dataclass(frozen=True, slots=True)
class Requester:
    """An address space of a device: its regions, and the address that its requests bear."""

    root: Region
    plain: Region | None
    translated: Region | None
    devfn: int
    function: PciFunction | None
    """Whose bus is meant: the function's own, or (for `behind`) the one that it forwards."""

    behind: bool


class IntelIommu(Effects):
    """The one IOMMU of a machine."""

    vmsd: ClassVar[str] = "iommu-intel"
    fields: ClassVar[frozenset[str]] = frozenset(
        {"root", "csr", "dmar_enabled", "intr_root", "intr_size", "intr_enabled"}
    )
    post: ClassVar[frozenset[str]] = frozenset({"iommu-intel"})

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        options = device_options(machine.description.arguments, "intel-iommu")
        bits = number(options, "aw-bits", 39)
        self.width = (1 << bits) - 1
        self.levels = (3, 4) if bits >= 48 else (3,)
        self.has_device_tlb = is_on(options, "device-iotlb", default=False)
        self.has_pass_through = is_on(options, "pt", default=True)
        self.snoops = is_on(options, "snoop-control", default=False)
        self.is_scalable = is_on(options, "x-scalable-mode", default=False)
        self.requesters = _requesters(machine)
        self.by_region = {one.translated: one for one in self.requesters if one.translated is not None}
        self.faults = Faults()
        self.is_silent = self.is_deep = False
        self.contexts: dict[Requester, tuple[int, int]] = {}
        self.pages: dict[tuple[int, int, int], tuple[int, int]] = {}
        machine.memory.remap = self.remap
        machine.memory.store = self.store

    def reset(self) -> None:
        """Nothing is translated and nothing said."""
        super().reset()
        self.contexts.clear()
        self.pages.clear()
        self.faults.reset()

    def system_reset(self) -> None:
        """Translation is off: every requester sees the memory as it is."""
        super().system_reset()
        for one in self.requesters:
            self._switch(one)

    def follow(self, load: LoadState) -> None:
        """Faults are told there."""
        self.faults.load = load

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Requester by requester."""
        registers = self.loaded.get("csr", ())
        self.faults.begin(load, bytes(registers) if isinstance(registers, (bytes, tuple)) else b"")
        if self.is_scalable:
            load.not_modelled.add("iommu-intel: scalable mode")
        for one in self.requesters:
            load.step()
            self._switch(one)
        return None

    def _switch(self, one: Requester) -> None:
        """First the region that must go, then the one that must come."""
        enabled = bool(self.loaded.get("dmar_enabled"))
        translates = enabled and not self._passes(one)
        if enabled:
            self._passes(one)  # asked twice, for the interrupts' sake
        regions = (one.plain, one.translated) if translates else (one.translated, one.plain)
        for region, state in zip(regions, (False, True), strict=True):
            if region is not None:
                self.machine.memory.set_enabled(region, enabled=state)

    def saved(self) -> Mapping[str, int | bytes | None]:
        """What faults have left in the registers."""
        return self.faults.saved()

    def state(self) -> DeviceState | None:
        """What faults have come to."""
        told = self.faults.derived()
        return DeviceState(self.handler.name, self.handler.kind, derived=told) if told else None

    # The tables in guest memory

    def _read(self, address: int, length: int, reader: str) -> bytes | None:
        machine = self.machine
        data, answered = try_read(machine.memory, machine.memory_space, address & U64, length, reader)
        return data if answered else None

    def _entry(self, address: int, reader: str) -> tuple[int, int] | None:
        data = self._read(address, 16, reader)
        return None if data is None else (int.from_bytes(data[:8], "little"), int.from_bytes(data[8:], "little"))

    def _bus(self, one: Requester) -> int:
        """The number of the requester's bus: of a root bus by its address, of another as its bridge has it now."""
        if one.function is None:
            return 0
        bridge = one.function if one.behind else self.machine.functions.get(one.function.entry.parent or "")
        if bridge is not None:
            return bridge.config[SECONDARY_BUS]
        return int(one.function.entry.function.split(":")[1], 16)

    def _context(self, one: Requester) -> tuple[int, int] | Fault:
        """The requester's context entry, as two words, or why there is no valid one."""
        say = self.faults.say
        entry = self._entry(self.number("root") + 16 * self._bus(one), "vtd_get_root_entry")
        if entry is None:
            return Fault.ROOT_UNREADABLE
        low, high = entry
        if not low & PRESENT:
            return Fault.ROOT_ABSENT
        if high or low & (0xFFE | ~self.width & U64):
            say("vtd_root_entry_rsvd_bits_check: invalid root entry", f": hi=0x{high:x}, lo=0x{low:x}")
            return Fault.ROOT_RESERVED
        entry = self._entry((low & -PAGE) + 16 * one.devfn, "vtd_get_context_entry_from_root")
        if entry is None:
            return Fault.CONTEXT_UNREADABLE
        low, high = entry
        self.is_silent = bool(low & SILENT)
        if not low & PRESENT:
            return Fault.CONTEXT_ABSENT
        shown = f": hi={high:x}, lo={low:x}"
        if high & CONTEXT_RESERVED or low & (0xFF0 | ~self.width & U64):
            say("vtd_context_entry_rsvd_bits_check: invalid context entry", f"{shown} (reserved nonzero)")
            return Fault.CONTEXT_RESERVED
        level = 2 + (high & 7)
        if level not in self.levels:
            say("vtd_dev_to_context_entry: invalid context entry", f"{shown} (level {level} not supported)")
            return Fault.CONTEXT_INVALID
        return Fault.CONTEXT_INVALID if not self._knows(low >> 2 & 3) else (low, high)

    def _knows(self, kind: int) -> bool:
        if kind == MULTI_LEVEL:
            return True
        if kind == DEVICE_TLB:
            if not self.has_device_tlb:
                self.faults.say("vtd_ce_type_check: DT specified but not supported")
            return self.has_device_tlb
        if kind == PASS_THROUGH:
            if not self.has_pass_through:
                self.faults.say("vtd_ce_type_check: PT specified but not supported")
            return self.has_pass_through
        self.faults.say("vtd_ce_type_check: unknown ce type", f": {kind << 2}")
        return False

    def _passes(self, one: Requester) -> bool:
        context = self._context(one)
        return not isinstance(context, Fault) and context[0] >> 2 & 3 == PASS_THROUGH

    # Translation

    def remap(self, region: Region, offset: int, write: bool) -> Remapped | None:
        """Where an access to a translating region leads."""
        one = self.by_region.get(region)
        if one is None or self.is_scalable:
            return None
        if not self.loaded.get("dmar_enabled"):
            return self._to(offset, PAGE)
        self.is_silent = self.is_deep = False
        bus = self._bus(one)
        source = bus << 8 | one.devfn
        for level in KEPT_LEVELS:
            kept = self.pages.get((source, level, offset >> 9 * level + 3))
            if kept is not None:
                page = 1 << 9 * level + 3
                return self._to(kept[0] | offset & page - 1, page) if kept[1] & (WRITE if write else READ) else None
        found = self._walk(one, offset, source, write=write)
        if not isinstance(found, Fault):
            return found
        if not (self.is_silent and found in QUALIFIED):
            self.faults.report(found, source, offset, write=write, deep=self.is_deep)
        where = f" (dev={bus:02x}:{one.devfn >> 3:02x}:{one.devfn & 7:02x}, iova=0x{offset:x})"
        self.faults.say("vtd_iommu_translate: detected translation failure", where)
        return None

    def store(self, region: Region, offset: int, data: bytes) -> None:
        """A write to a handler: to the interrupt range it is a message."""
        if region.name == vtd_messages.REGION and self.loaded.get("intr_enabled"):
            table = self.number("intr_root"), self.number("intr_size")
            vtd_messages.deliver(self.machine, self.faults, table, offset, data)

    def _to(self, address: int, page: int) -> Remapped:
        return Remapped(self.machine.memory_space, address, page - address % page)

    def _keep(self, source: int, level: int, address: int, target: int, allowed: int) -> None:
        if len(self.pages) >= KEPT_PAGES:
            self.pages.clear()
        self.pages[source, level, address >> 9 * level + 3] = target, allowed

    def _walk(self, one: Requester, address: int, source: int, *, write: bool) -> Remapped | Fault:
        context = self.contexts.get(one) or self._context(one)
        if isinstance(context, Fault):
            return context
        low, high = self.contexts[one] = context
        self.is_silent = bool(low & SILENT)
        if low >> 2 & 3 == PASS_THROUGH:
            self._switch(one)  # so that the next access need not come here
            return self._to(address, PAGE)
        self.is_deep = True
        say, level = self.faults.say, 2 + (high & 7)
        top = level
        if address & ~((1 << min(12 + 9 * top, self.width.bit_length())) - 1):
            say("vtd_iova_to_slpte: detected IOVA overflow", f" (iova=0x{address:x},{PASID})")
            return Fault.BEYOND_WIDTH
        table, allowed = low & -PAGE, READ | WRITE
        while True:
            index = address >> 12 + 9 * (level - 1) & 511
            data = self._read(table + 8 * index, 8, "vtd_get_slpte")
            entry = U64 if data is None else int.from_bytes(data, "little")
            if entry == U64:
                say("vtd_iova_to_slpte: detected read error on DMAR slpte", f" (iova=0x{address:x}, {PASID})")
                return Fault.CONTEXT_INVALID if level == top else Fault.TABLE_UNREADABLE
            shown = f"iova=0x{address:x}, level=0x{level:x}"
            if not entry & (WRITE if write else READ):
                where = f" ({shown}, slpte=0x{entry:x}, write={int(write)}, {PASID})"
                say("vtd_iova_to_slpte: detected slpte permission error", where)
                return Fault.NOT_WRITABLE if write else Fault.NOT_READABLE
            if entry & self._reserved(level, entry):
                where = f" {shown}slpte=0x{entry:x}, {PASID.replace('f', 'F')})"
                say("vtd_iova_to_slpte: detected splte reserve non-zero", where)
                return Fault.TABLE_RESERVED
            allowed &= entry
            if level == 1 or entry & LARGE:
                page = 1 << 12 + 9 * (level - 1)
                target = entry & self.width & -page
                self._keep(source, level, address, target, allowed)
                return self._to(target | address & page - 1, page)
            table, level = entry & -PAGE & self.width, level - 1

    def _reserved(self, level: int, entry: int) -> int:
        """The bits of a table's entry that must be 0."""
        outside = ~(self.width | IGNORED) & U64
        leaf_outside = outside & ~TRANSIENT if self.has_device_tlb else outside
        snoop = 0 if self.snoops else 0x800
        if level == 1:
            return leaf_outside | snoop
        if level in {2, 3} and entry & LARGE:
            return leaf_outside | snoop | {2: 0x1FF000, 3: 0x3FFFF000}[level]
        return outside | 0x800 | (0x80 if level == 4 else 0)


def _requesters(machine: Machine) -> tuple[Requester, ...]:
    """The address spaces that the description has, and whose they are."""
    users: dict[Region, list[PciFunction]] = {}
    for function in machine.functions.values():
        target = function.master_alias.alias if function.master_alias is not None else None
        if target is not None:
            users.setdefault(target, []).append(function)
    found = []
    for region in machine.regions.values():
        match = ROOT_NAME.fullmatch(region.name)
        if match is None or region.kind is not Kind.CONTAINER:
            continue
        suffix = f"{match[1]}.{match[2]}"
        devfn = int(match[1], 16) << 3 | int(match[2])
        sharers = users.get(region, [])
        whose = next((sharer for sharer in sharers if sharer.entry.function.endswith(f":{suffix}")), None)
        behind = whose is None
        if behind and sharers:  # requests bear the address of a bridge: as its own, or as that of the bus behind it
            whose = machine.functions.get(sharers[0].entry.parent or "")
        found.append(
            Requester(
                region,
                next((child for child in region.subregions if child.name == "vtd-nodmar"), None),
                next((child for child in region.subregions if child.name.endswith("-dmar")), None),
                devfn,
                whose,
                behind,
            )
        )
    return tuple(found)
