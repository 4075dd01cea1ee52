"""kvm-tpr-opt: the option ROM that shares the task priority with the hypervisor is made writable and patched.

Source: pci.md 5.4, virtio.md 10; asked of the program.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.handler import Effects, Handler
from model.errors import Abort, Killed
from model.memory import Kind, Region, memory_region_find, read, write
from vmformat import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.load_state import LoadState
    from model.machine import Machine

EPERM: Final = 1
PAGE: Final = 4096
INACTIVE, STANDBY = 0, 2


_CALL: Final = bytes((0xB8, 1, 0, 0, 0))
_HYPERCALLS: Final = (b"\x0f\x01\xc1", b"\x0f\x01\xd9")
_CALLS: Final = re.compile(re.escape(_CALL) + b"(?=...)", re.DOTALL)
_LEFT: Final = re.compile(re.escape(_CALL) + b"(?:" + b"|".join(map(re.escape, _HYPERCALLS)) + b")")
"""Those that are not patched yet: of the others nobody hears, unless reads are watched."""


class KvmTprOpt(Effects):
    """The TPR optimisation: an alias makes its option ROM writable RAM, then the ROM's calls are patched.

    The ROM's size is a byte of guest RAM, in blocks of 512 bytes; the block of RAM is the one that guest address 0
    shows. Every hypercall that is left in it is then overwritten through guest addresses. The virtual APIC page of a
    guest that uses the optimisation is not touched before the guest runs.

    Model: a call that is patched already is left alone here. Whether the program writes the same bytes over it again
    cannot be seen from outside; if it does, two more writes of a natural stream go uncounted.
    """

    vmsd: ClassVar[str] = "kvm-tpr-opt"
    fields: ClassVar[frozenset[str]] = frozenset({"state", "rom_state_paddr"})
    post: ClassVar[frozenset[str]] = frozenset({"kvm-tpr-opt"})

    BLOCK: Final = 512
    PRIORITY: Final = 1000
    PORT_ACCESS: Final = b"\x90\xe7\x7e"

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        self.rom: Region | None = None

    def reset(self) -> None:
        """Nothing is mapped; the region itself is put back by the memory's undo journal."""
        super().reset()
        self.rom = None

    def system_reset(self) -> None:
        """The ROM stays writable where it is until the next load maps it anew."""
        super().reset()

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Map, then patch."""
        address = self.number("rom_state_paddr")
        if self.number("state") == INACTIVE and address == 0:
            return None
        start = address & ~(self.BLOCK - 1)
        size = self._map(load, start)
        if size is None:
            load.guest_can_cause = True
            return Refusal(EPERM, (), 0, "rom_state_paddr")
        self._patch(start, size)
        return None

    def saved(self) -> Mapping[str, int | bytes | None]:
        """Old programs did not tell standby from inactive: with a ROM it is standby."""
        if self.number("state") == INACTIVE and self.number("rom_state_paddr"):
            return {"state": STANDBY}
        return {}

    def _map(self, load: LoadState, start: int) -> int | None:
        """The writable alias; the ROM's size in bytes, None where the program gives up."""
        machine, memory = self.machine, self.machine.memory
        if self.rom is not None and self.rom.container is not None:
            memory.del_subregion(machine.system, self.rom)
        self.rom = None
        found = memory_region_find(memory, machine.system, 0, 1, "memory_region_find")
        region = found.region if found is not None else None
        if region is None:
            raise Killed("SIGSEGV: nothing is mapped at guest address 0")
        if start + 2 >= region.size:
            return None
        if region.kind not in {Kind.RAM, Kind.ROM, Kind.ROMD, Kind.RAMD}:
            raise Abort("memory_region_get_ram_ptr: Assertion `mr->ram_block' failed.")
        size = memory.ram.read(region.block, start + 2, 1)[0] * self.BLOCK
        if size == 0:
            return None
        page = start & ~(PAGE - 1)
        length = (size + (start - page) + PAGE - 1) & ~(PAGE - 1)
        self.rom = memory.create("kvmvapic-rom", Kind.ALIAS, length, alias=region, alias_offset=page)
        memory.add_subregion(machine.system, page, self.rom, self.PRIORITY)
        load.step()
        return size

    def _patch(self, start: int, size: int) -> None:
        memory, space = self.machine.memory, self.machine.memory_space
        with memory.ram.unnoticed():
            rom = read(memory, space, start, size, "cpu_physical_memory_read")
        block = self.rom.alias.block if self.rom is not None and self.rom.alias is not None else ""
        for found in (_CALLS if memory.ram.is_watched else _LEFT).finditer(rom, 0, size - 1):
            at = found.start()
            memory.ram.read(block, start + at, 8)
            if rom[at + 5 : at + 8] in _HYPERCALLS:
                write(memory, space, start + at + 5, self.PORT_ACCESS, "cpu_physical_memory_write")
