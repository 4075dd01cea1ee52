"""What a virtio section holds, told from its own bytes: QEMU's description calls it one opaque field."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from vmformat import pci
from vmformat.errors import StreamError
from vmformat.tree import end_of
from vmformat.virtio import KINDS, MPTSAS_PART, VirtioShape, scsi_disk_schema, virtio_part, virtio_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.schema import Schema

_NAMES: Final = {f"virtio-{kind}": kind for kind in KINDS}
OPAQUE: Final = frozenset({"virtio", "scsi-requests"})
"""Wire types of old-style state that QEMU does not describe further."""
_COUNTED: Final = {"blk": 34, "net": 8}
"""Where the number of queues (pairs) stands in the device config."""

_MOST_PORTS: Final = 512
"""More ports than any virtio-serial has."""

_KEPT: Final = (virtio_part(packed=False), virtio_part(packed=True), (), MPTSAS_PART)
"""What controllers keep of a SCSI disk's requests."""

_MMIO_HEAD: Final = 12


def is_opaque(schema: Schema) -> bool:
    """Whether a schema has virtio state in it that it does not take apart."""
    return any(
        field.type in OPAQUE or (field.struct is not None and is_opaque(field.struct)) for field in schema.fields
    )


def is_large(schema: Schema) -> bool:
    """Whether the schema is that of a whole virtio section: `tree.end_of` is faster there than `plan.measure`."""
    return schema.name in _NAMES


def refine(schema: Schema, payload: bytes) -> Schema:
    """`schema`, or if it is an opaque virtio one, the grammar that explains `payload` to its last byte."""
    if not is_opaque(schema):
        return schema
    kind = _NAMES.get(schema.name)
    found: Iterator[Schema]
    found = (scsi_disk_schema(schema, kept=kept) for kept in _KEPT) if kind is None else guesses(kind, payload, 0)
    for guessed in found:
        try:
            if end_of(guessed, payload, 0) == len(payload):
                return guessed
        except StreamError:
            continue
    return schema


def section_guesses(name: str, data: bytes, offset: int) -> Iterator[Schema]:
    """As `guesses`, for a section of that name; nothing if it is not of a known virtio device."""
    kind = _NAMES.get(name.rpartition("/")[2])
    return iter(()) if kind is None else guesses(kind, data, offset)


def guesses(kind: str, data: bytes, offset: int) -> Iterator[Schema]:
    """Schemas that a virtio payload beginning at `offset` may have, likely ones first.

    A PCI function's state begins with its version, 2; what begins otherwise, or fits none of these, is MMIO's.
    """
    short = data[offset + 4 : offset + 4 + pci.CONFIG_SIZE]
    vectors = pci.msix_vectors(short)
    express = pci.find_capability(short, 0x10) is not None
    size = pci.EXPRESS_CONFIG_SIZE if express else pci.CONFIG_SIZE
    table = 16 * vectors + (vectors + 7) // 8 + 2 if vectors else 0
    pci_function = VirtioShape(kind, express, vectors)
    mmio = VirtioShape(kind, express=False, vectors=0, transport="mmio")
    for base, head in ((pci_function, offset + 4 + size + 16 + table), (mmio, offset + _MMIO_HEAD)):
        for shape in _shapes(_told(base, data, head), min(_number(kind, _device_config(data, head)), 2)):
            yield virtio_schema(shape)


def _device_config(data: bytes, head: int) -> bytes:
    """The device config of a section whose core begins at `head`: its first bytes, zeros if no driver has read it."""
    length = int.from_bytes(data[head + 8 : head + 12], "big")
    return data[head + 12 : head + 12 + min(length, 64)]


def _number(kind: str, config: bytes) -> int:
    """The number of queues (pairs) in the device config, 0 for unknown.

    It decides where lengths do not: requests of several queues and those of a packed ring have four bytes more.
    """
    at = _COUNTED.get(kind)
    return 0 if at is None else int.from_bytes(config[at : at + 2], "little")


def _told(shape: VirtioShape, data: bytes, head: int) -> VirtioShape:
    """The shape with what the device's payload says of the length of its map: of ports, of plugged memory."""
    if shape.kind not in {"console", "mem"}:
        return shape
    at = head + 12 + int.from_bytes(data[head + 8 : head + 12], "big")
    record = 18 if shape.transport == "mmio" else 16 if shape.vectors else 14
    at += 4 + record * int.from_bytes(data[at : at + 4], "big")
    if shape.kind == "console":
        return replace(shape, max_ports=min(int.from_bytes(data[at + 4 : at + 8], "big"), _MOST_PORTS))
    region, block = (int.from_bytes(data[at + 8 * i : at + 8 * i + 8], "big") for i in (1, 2))
    return replace(shape, blocks=min(region // block, 8 * len(data)) if block else 0)


@lru_cache(maxsize=256)
def _shapes(base: VirtioShape, told: int) -> tuple[VirtioShape, ...]:
    shapes = [base]
    if base.kind == "blk":
        shapes.append(replace(base, queues=2))
    elif base.kind == "net":
        shapes.append(replace(base, max_queue_pairs=2))
    if base.kind in {"blk", "console"}:
        shapes += [replace(shape, packed=True) for shape in shapes]
    if told:
        shapes.sort(key=lambda shape: max(shape.queues, shape.max_queue_pairs) != told)
    # A config whose capabilities are damaged.
    others = [] if base.transport == "mmio" else [replace(shape, express=not base.express) for shape in shapes]
    return tuple(shapes + others)
