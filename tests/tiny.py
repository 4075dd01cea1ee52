"""A machine small enough to read: 1 MiB of RAM, a PCI bus with one virtio-blk function, and streams for it.

Not a real machine: tests of the loader and of designs use it where every byte must be in sight. What the real program
does is tested on captured machines.
"""

from __future__ import annotations

import struct
from typing import Any

from model import Machine, from_json
from vmformat import Schema

MIB = 1 << 20
T64 = 1 << 64
SECTION = "0000:00:02.0/virtio-blk"


def config() -> bytes:
    """Config space of the function: vendor, one 64-bit memory BAR in slot 4, an interrupt pin, no capabilities."""
    data = bytearray(256)
    data[0:4] = bytes.fromhex("f41a4210")
    data[0x20] = 0x0C
    data[0x3D] = 1  # INTA
    return bytes(data)


def description() -> dict[str, Any]:
    """A fresh document."""
    timer = {"name": "timer", "version": 2, "fields": [{"name": "ticks", "type": "int64"}]}
    return {
        "format": 1,
        "name": "tiny",
        "qemu": "none",
        "configuration": {"machine": "tiny", "section": True, "footers": True, "vmdescription": False},
        "ram": {"below_4g": hex(MIB), "blocks": [{"name": "pc.ram", "length": hex(MIB)}]},
        "regions": [
            {"id": "system", "name": "system", "kind": "container", "size": hex(T64)},
            {"id": "io", "name": "io", "kind": "io", "size": "0x10000"},
            {"id": "pc.ram", "name": "pc.ram", "kind": "ram", "size": hex(MIB), "block": "pc.ram"},
            {
                "id": "ram-below-4g",
                "name": "ram-below-4g",
                "kind": "alias",
                "size": hex(MIB),
                "target": "pc.ram",
                "container": "system",
            },
            {
                "id": "pci",
                "name": "pci",
                "kind": "container",
                "size": hex(T64),
                "priority": -1,
                "container": "system",
            },
            {"id": "bar4", "name": "virtio-pci", "kind": "io", "size": "0x4000"},
            {"id": "master", "name": "bus master container", "kind": "container", "size": hex(T64)},
            {
                "id": "bus master",
                "name": "bus master",
                "kind": "alias",
                "size": hex(T64),
                "target": "system",
                "enabled": False,
                "container": "master",
            },
        ],
        "spaces": [
            {"name": "memory", "root": "system"},
            {"name": "I/O", "root": "io"},
            {"name": "virtio-blk-pci", "root": "master"},
        ],
        "pci": [
            {
                "function": "0000:00:02.0",
                "id": "blk0",
                "type": "virtio-blk-pci",
                "express": False,
                "size": 256,
                "config": ["0000: f41a4210", "0020: 0c", "003d: 01"],
                "compare": {"00-03": "ff", "20": "ff", "21": "3f"},
                "bars": [{"slot": 4, "space": "memory64", "size": "0x4000", "region": "bar4"}],
                "bus_memory": "pci",
                "bus_io": "io",
                "bus_master": {"space": 2, "alias": "bus master"},
                "virtio": {
                    "kind": "blk",
                    "host_features": hex(1 << 32 | 1 << 29),
                    "queues": [256],
                    "num_queues": 1,
                    "config_size": 8,
                },
            }
        ],
        "sections": [
            {"name": "timer", "instance": 0, "version": 2, "schema": "timer"},
            {"name": "ram", "instance": 0, "version": 4, "iterable": True},
            {"name": SECTION, "instance": 0, "version": 2, "function": "0000:00:02.0"},
        ],
        "schemas": {"timer": Schema.from_json(timer).to_json()},
    }


def machine(**changes: Any) -> Machine:
    """The machine, with top-level keys of its description replaced."""
    return Machine(from_json(description() | changes))


HEADER = b"QEVM" + struct.pack(">I", 3) + b"\x07" + struct.pack(">I", 4) + b"tiny"
EOF = b"\0"


def full(name: str, payload: bytes, section_id: int = 1, version: int = 1, kind: int = 4) -> bytes:
    """A FULL (or START) section with its footer."""
    head = struct.pack(">BIB", kind, section_id, len(name)) + name.encode() + struct.pack(">II", 0, version)
    return head + payload + struct.pack(">BI", 0x7E, section_id)


def timer() -> bytes:
    """A timer section."""
    return full("timer", bytes(8), 0, 2)


def ram(pages: dict[int, bytes]) -> bytes:
    """START with the block list, and END with the given pages."""
    start = struct.pack(">QB", MIB | 4, 6) + b"pc.ram" + struct.pack(">QQ", MIB, 0x10)
    body = b"".join(struct.pack(">QB", at | 8, 6) + b"pc.ram" + page.ljust(4096, b"\0") for at, page in pages.items())
    end = struct.pack(">BI", 3, 2) + body + struct.pack(">Q", 0x10) + struct.pack(">BI", 0x7E, 2)
    return full("ram", start, 2, 4, kind=1) + end


def blk(
    *,
    command: int = 0,
    bar: int = 0,
    desc: int = 0,
    avail: int = 0,
    used: int = 0,
    last_avail: int = 0,
    num: int = 256,
    features: int = 1 << 32,
    section_id: int = 3,
) -> bytes:
    """A virtio-blk section with one queue."""
    space = bytearray(config())
    space[4:6] = struct.pack("<H", command)
    space[0x20:0x28] = struct.pack("<Q", bar | 0x0C)
    core = struct.pack(">BBHII", 4, 0, 0, features & 0xFFFF_FFFF, 8) + bytes(8)
    queues = struct.pack(">IIQH", 1, num, desc, last_avail)
    rings = struct.pack(">QQ", avail, used) + bytes(16 * 1023)
    subsections = subsection("virtio/64bit_features", struct.pack(">Q", features)) + subsection(
        "virtio/virtqueues", rings
    )
    payload = struct.pack(">i", 2) + bytes(space) + bytes(16) + core + queues + b"\0" + subsections
    return full(SECTION, payload, section_id, 2)


def subsection(name: str, payload: bytes, version: int = 1) -> bytes:
    """A subsection."""
    return bytes([5, len(name)]) + name.encode() + struct.pack(">I", version) + payload


def ring(index: int) -> bytes:
    """The first bytes of an avail or used ring whose index is `index`."""
    return struct.pack("<HH", 0, index)
