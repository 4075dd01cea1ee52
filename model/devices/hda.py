"""Intel HD Audio: the buffer list of every running stream is read again from guest memory; found by experiment."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.dma import Dma
from model.devices.handler import Effects, Handler
from model.outcome import DeviceState

if TYPE_CHECKING:
    from model.loader import LoadState
    from model.machine import Machine
    from vmformat import Refusal

RUN: Final = 0x02
ENTRY: Final = struct.Struct("<QII")
ENTRIES_SHOWN: Final = 4
READER: Final = "intel_hda_parse_bdl"
U64: Final = (1 << 64) - 1


class IntelHda(Effects):
    """intel-hda and ich9-intel-hda."""

    vmsd: ClassVar[str] = "intel-hda"
    _REGISTERS: ClassVar[tuple[str, ...]] = ("ctl", "lvi", "bdlp_lbase", "bdlp_ubase")
    fields: ClassVar[frozenset[str]] = frozenset(f"intel-hda-stream:{name}" for name in _REGISTERS)
    post: ClassVar[frozenset[str]] = frozenset({"intel-hda"})

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        self.dma = Dma(machine, handler.function)
        self.lists: dict[str, str] = {}

    def reset(self) -> None:
        """No list is known."""
        super().reset()
        self.lists = {}

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Stream after stream, entry after entry; nothing is ever refused."""
        for stream in sorted({key.rpartition(".")[0] for key in self.loaded}):
            ctl, lvi, low, high = (self.number(f"{stream}.{name}") for name in self._REGISTERS)
            if not ctl & RUN:
                continue
            address, count = low | high << 32, (lvi & 0xFF) + 1
            load.step(count)
            entries = []
            for index in range(count):
                data, _ = self.dma.read(address + ENTRY.size * index & U64, ENTRY.size, READER)
                entries.append(ENTRY.unpack(data))
            told = ", ".join(f"{where:#x}+{length:#x}" for where, length, _ in entries[:ENTRIES_SHOWN])
            self.lists[stream] = f"{count} buffers: {told}"
        return None

    def state(self) -> DeviceState | None:
        """The buffers of the running streams."""
        if not self.lists:
            return None
        return DeviceState(self.handler.name, self.handler.kind, derived=tuple(self.lists.items()))
