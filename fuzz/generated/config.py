"""PCI config space of the multiplied functions: the bytes that differ from the template's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.generated.shape import WINDOW, Device

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fuzz.generated.shape import Port

COMMAND: Final = 0x04
RUNNING: Final = 0x107
"""I/O, memory, bus master, SERR."""

_HEADER_TYPE: Final = 0x0E
_MULTIFUNCTION: Final = 0x80
_SLOT: Final = 0x68
"""Of a root port: its slot capabilities, whose uppermost 13 bits are the number of the slot."""

_SLOT_BITS: Final = 19
_PREFETCHABLE_64: Final = 0x0C
_WINDOW_64: Final = 1


def fixed(one: Port | Device, config: bytes, *, multifunction: bool) -> dict[int, bytes]:
    """What no guest can write: the number of a port's slot; whether a function behind a port is one of several."""
    if isinstance(one, Device):
        return {_HEADER_TYPE: bytes([_MULTIFUNCTION])} if multifunction else {}
    capabilities = int.from_bytes(config[_SLOT : _SLOT + 4], "little") & (1 << _SLOT_BITS) - 1
    return {_SLOT: (capabilities | one.index << _SLOT_BITS).to_bytes(4, "little")}


def initialised_port(port: Port) -> dict[int, bytes]:
    """What firmware writes to a root port: BAR 0, bus numbers, windows."""
    bus = port.index + 1
    found = {0x10: port.bar.to_bytes(4, "little"), 0x19: bytes([bus, bus])}
    for at, base, low in ((0x20, port.memory, 0), (0x24, port.prefetchable, _WINDOW_64)):
        limit = base + WINDOW - (1 << 20)
        found[at] = b"".join((end >> 16 | low).to_bytes(2, "little") for end in (base, limit))
    return found


def initialised_device(device: Device) -> dict[int, bytes]:
    """What firmware and a driver write to a virtio function: command, BARs 1 and 4."""
    low, high = device.bars
    return {
        COMMAND: RUNNING.to_bytes(2, "little"),
        0x14: low.to_bytes(4, "little"),
        0x20: (high | _PREFETCHABLE_64).to_bytes(4, "little"),
    }


def patched(config: bytes, changes: Mapping[int, bytes]) -> bytes:
    """The same bytes with others in some places."""
    found = bytearray(config)
    for offset, data in changes.items():
        found[offset : offset + len(data)] = data
    return bytes(found)


def from_rows(rows: Sequence[str], size: int) -> bytes:
    """Config space as a description writes it."""
    found = bytearray(size)
    for row in rows:
        offset, _, digits = row.partition(":")
        data = bytes.fromhex(digits)
        found[int(offset, 16) : int(offset, 16) + len(data)] = data
    return bytes(found)


def to_rows(config: bytes) -> list[str]:
    """The inverse of `from_rows`."""
    rows = ((at, config[at : at + 16]) for at in range(0, len(config), 16))
    return [f"{at:04x}: {row.hex(' ', 4)}" for at, row in rows if any(row)]
