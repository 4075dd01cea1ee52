"""Intel HD Audio: the buffer list of every running stream is read again from guest memory; found by experiment.

Its interrupt status is then made anew, and its interrupt line driven or its message sent.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.dma import Dma
from model.devices.handler import Effects, Handler
from model.devices.interrupt import has_messages, send_message, set_line
from model.outcome import DeviceState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.load_state import LoadState
    from model.machine import Machine
    from vmformat import Refusal

RUN: Final = 0x02
COMPLETED: Final = 1 << 26
ANSWER, OVERRUN = 0x01, 0x04
CONTROLLER, GLOBAL = 1 << 30, 1 << 31
ENTRY: Final = struct.Struct("<QII")
ENTRIES_SHOWN: Final = 4
READER: Final = "intel_hda_parse_bdl"
U64: Final = (1 << 64) - 1


class IntelHda(Effects):
    """intel-hda and ich9-intel-hda."""

    vmsd: ClassVar[str] = "intel-hda"
    _REGISTERS: ClassVar[tuple[str, ...]] = ("ctl", "lvi", "bdlp_lbase", "bdlp_ubase")
    _STATUS: ClassVar[frozenset[str]] = frozenset({"int_ctl", "int_sts", "rirb_sts", "state_sts", "wake_en"})
    fields: ClassVar[frozenset[str]] = _STATUS | {f"intel-hda-stream:{name}" for name in _REGISTERS}
    post: ClassVar[frozenset[str]] = frozenset({"intel-hda"})

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        self.dma = Dma(machine, handler.function)
        self.lists: dict[str, str] = {}
        self.status: int | None = None

    def reset(self) -> None:
        """No list is known."""
        super().reset()
        self.lists = {}
        self.status = None

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Stream after stream, entry after entry; nothing is ever refused."""
        streams = sorted({key.rpartition(".")[0] for key in self.loaded} - {""})
        for stream in streams:
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
        self._interrupt([self.number(f"{stream}.ctl") for stream in streams])
        return None

    def _interrupt(self, controls: list[int]) -> None:
        controller = self.number("rirb_sts") & (ANSWER | OVERRUN) or self.number("state_sts") & self.number("wake_en")
        status = CONTROLLER if controller else 0
        status |= sum(1 << index for index, control in enumerate(controls) if control & COMPLETED)
        if status & self.number("int_ctl"):
            status |= GLOBAL
        self.status = status
        function = self.handler.function
        if function is None:
            return
        if not has_messages(function):
            set_line(function)
        elif status & self.number("int_ctl") & GLOBAL:
            send_message(function, self.dma)

    def saved(self) -> Mapping[str, int | bytes | None]:
        """The interrupt status."""
        return {} if self.status is None else {"int_sts": self.status}

    def state(self) -> DeviceState | None:
        """The buffers of the running streams, and the interrupt status."""
        told = list(self.lists.items())
        if self.status:
            told.append(("interrupt status", f"{self.status:#x}"))
        return DeviceState(self.handler.name, self.handler.kind, derived=tuple(told)) if told else None
