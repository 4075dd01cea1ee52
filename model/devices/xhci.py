"""xHCI: the slots that the guest has addressed are found again in guest memory.

Source: virtio.md 9.1 row 8 and 10; asked of the program. The controller keeps an address (DCBAAP) of a table in guest
memory, which has for each slot the address of a device context: 32 bytes for the slot, then 32 for each of 31
endpoints. After its fields are loaded the controller reads, for every slot that is marked addressed, the table's entry,
the slot's context and, if that names a port where a device is plugged in, every endpoint's. A slot whose context names
none is silently disabled. A context that cannot be read at all reads as ones and sets the controller's error bit; an
entry of the table that cannot be read counts as zero.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.dma import Dma
from model.devices.handler import Effects, Handler
from model.outcome import DeviceState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.load_state import LoadState
    from model.machine import Machine
    from vmformat import Refusal

CONTEXT: Final = 32
ENDPOINTS: Final = 31
HOST_CONTROLLER_ERROR: Final = 1 << 12
MOST_HUBS: Final = 5
STATES: Final = ("disabled", "running", "halted", "stopped", "error")
TABLE_READER: Final = "usb_xhci_post_load"
CONTEXT_READER: Final = "xhci_dma_read_u32s"


class Xhci(Effects):
    """The controller of qemu-xhci and nec-usb-xhci."""

    vmsd: ClassVar[str] = "xhci"
    fields: ClassVar[frozenset[str]] = frozenset({
        "xhci.ports", "xhci.slots", "xhci.dcbaap_low", "xhci.dcbaap_high", "xhci.usbsts",
    })  # fmt: skip
    post: ClassVar[frozenset[str]] = frozenset({"xhci-core"})

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        self.dma = Dma(machine, handler.function)
        self.plugged = _plugged(machine, handler)
        told = handler.function.entry.properties if handler.function is not None else {}
        self.fast = told.get("p3")
        """Ports of USB 3, which have the first numbers; each socket has one of these, one of USB 2, or both."""
        self.slots: dict[int, str] = {}
        self.disabled: set[int] = set()
        self.has_died = False

    def reset(self) -> None:
        """No slot is addressed."""
        super().reset()
        self.slots = {}
        self.disabled = set()
        self.has_died = False

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Slot after slot; nothing is ever refused."""
        self.slots, self.disabled, self.has_died = {}, set(), False
        table = self.number("xhci.dcbaap_low") | self.number("xhci.dcbaap_high") << 32
        marks = self.loaded.get("xhci.slots", b"")
        assert isinstance(marks, bytes)
        for slot in range(1, len(marks) // 2 + 1):
            if marks[2 * slot - 1]:
                self._slot(load, slot, table)
        return None

    def _slot(self, load: LoadState, slot: int, table: int) -> None:
        entry, _ = self.dma.read(table + 8 * slot & _U64, 8, TABLE_READER)
        context = int.from_bytes(entry, "little")
        head = self._context(context, 4)
        if self._port(head) not in self.plugged:
            self.disabled.add(slot)
            return
        told = [f"context {context:#x}"]
        for endpoint in range(1, ENDPOINTS + 1):
            words = self._context(context + CONTEXT * endpoint & _U64, 5)
            state = words[0] & 7
            if state:
                name = STATES[state] if state < len(STATES) else f"state {state}"
                told.append(f"{endpoint} {name} at {words[2] & ~0xF | words[3] << 32:#x}")
        load.step(ENDPOINTS)
        self.slots[slot] = ", ".join(told)

    def _context(self, address: int, words: int) -> tuple[int, ...]:
        data, answered = self.dma.read(address, 4 * words, CONTEXT_READER)
        if not answered:
            self.has_died = True
            data = b"\xff" * len(data)
        return struct.unpack(f"<{words}I", data)

    def _port(self, head: tuple[int, ...]) -> str:
        """The path of the port that a slot context names: a root port, and the port of each hub behind it."""
        data = self.loaded.get("xhci.ports", b"")
        assert isinstance(data, bytes)
        ports, number = len(data) // 4, head[1] >> 16 & 0xFF
        if not 1 <= number <= ports:
            return ""
        fast = self.fast if self.fast is not None else ports // 2
        path = [number if number <= fast else number - fast]
        for level in range(MOST_HUBS):
            hop = head[0] >> 4 * level & 0xF
            if not hop:
                break
            path.append(hop)
        return ".".join(map(str, path))

    def state(self) -> DeviceState | None:
        """The slots that are left, and those that were dropped."""
        if not self.slots and not self.disabled:
            return None
        told = [(f"slot {slot}", text) for slot, text in self.slots.items()]
        told += [(f"slot {slot}", "disabled: its context names no device") for slot in sorted(self.disabled)]
        if self.has_died:
            told.append(("controller", "error: a context could not be read"))
        return DeviceState(self.handler.name, self.handler.kind, derived=tuple(told))

    def saved(self) -> Mapping[str, int | bytes | None]:
        """What is not as it was loaded: dropped slots, the error bit."""
        changed: dict[str, int | bytes | None] = {}
        for slot in self.disabled:
            changed[f"xhci.slots[{slot - 1}].enabled"] = 0
            changed[f"xhci.slots[{slot - 1}].addressed"] = 0
        if self.has_died:
            changed["xhci.usbsts"] = self.number("xhci.usbsts") | HOST_CONTROLLER_ERROR
        return changed


_U64: Final = (1 << 64) - 1


def _plugged(machine: Machine, handler: Handler) -> frozenset[str]:
    """The paths of the ports in use: every USB device's section is named after its controller and its port."""
    prefix = f"{handler.name.rpartition('/')[0]}/"
    names = (entry.name for entry in machine.description.sections if entry.name.startswith(prefix))
    return frozenset(name.removeprefix(prefix).partition("/")[0] for name in names if name != handler.name)
