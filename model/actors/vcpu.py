"""vCPUs: they read memory without the big lock, and take it to program a device.

Under a load the guest's own vCPUs stand still in a plain migration. In a postcopy one, with a load thread, and for
threads that act like vCPUs (an iothread, vhost) they do not, and every design must say what they see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.actors.actor import Actor, Idle, number
from model.memory import Use, translate

if TYPE_CHECKING:
    from model.devices.pci import PciFunction
    from model.load_state import LoadState
    from model.memory import AddressSpace

COMMAND: Final = 4
PAGE: Final = 4096


def _access(load: LoadState, words: tuple[str, ...]) -> None:
    """A load instruction: through the view of `memory`, inside an RCU read section, without the lock."""
    _read(load, load.machine.memory_space, number(words, 0), number(words, 1))


def _read(load: LoadState, space: AddressSpace, addr: int, length: int) -> None:
    length = max(1, min(length, PAGE))
    memory = load.memory
    held, memory.has_lock = memory.has_lock, False
    try:
        view = memory.getter(space, Use(load.actor, addr, length))
    finally:
        memory.has_lock = held
    translate(view, addr, length, write=False)


def _function(load: LoadState, words: tuple[str, ...]) -> PciFunction:
    function = load.machine.functions.get(words[0]) if words else None
    if function is None:
        raise Idle
    return function


def _remap(load: LoadState, words: tuple[str, ...]) -> None:
    """Program a BAR, memory and I/O decoding on; let the lock go; access what is mapped there now."""
    function = _function(load, words)
    slot, address = number(words, 1), number(words, 2)
    bar = next((bar for bar in function.bars if bar.slot == slot), None)
    if bar is None:
        raise Idle
    width = 8 if bar.is_wide else 4
    value = address & ((1 << 8 * width) - 1) & ~(bar.size - 1)
    low = int.from_bytes(function.config[bar.offset : bar.offset + 4], "little") & 0xF
    config = bytearray(function.config)
    config[bar.offset : bar.offset + width] = (value | (1 if bar.is_rom else low)).to_bytes(width, "little")
    config[COMMAND] |= 0x3
    _written(load, function, bytes(config))
    if bar.mapped_at is not None:
        name = "I/O" if bar.is_io else "memory"
        space = next((space for space in load.machine.spaces if space.name == name), None)
        if space is not None:
            _read(load, space, bar.mapped_at, 4)


def _command(load: LoadState, words: tuple[str, ...]) -> None:
    """Write the low byte of a command register: decoding and bus master."""
    function = _function(load, words)
    config = bytearray(function.config)
    writable = function.entry.writable[COMMAND]
    config[COMMAND] = config[COMMAND] & ~writable | number(words, 1) & writable
    _written(load, function, bytes(config))


def _written(load: LoadState, function: PciFunction, config: bytes) -> None:
    """What a write to config space does: the BARs, the windows, then the bus master (pci.md 2, 3.6)."""
    load.machine.touched_functions.add(function)
    load.step(len(function.bars) + 1)
    function.load(config)


VCPU: Final = (
    Actor(
        "vcpu-access", "a vCPU reads guest memory, under RCU", ("address", "length"), _access, locks=False, reads=True
    ),
    Actor("vcpu-remap", "a vCPU maps a BAR and then uses it", ("function", "slot", "address"), _remap),
    Actor("vcpu-command", "a vCPU writes a command register", ("function", "value"), _command),
)
