"""What a virtio section holds, told from its own bytes: QEMU's description calls it one opaque field."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from vmformat import pci
from vmformat.errors import StreamError
from vmformat.tree import end_of
from vmformat.virtio import VirtioShape, virtio_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.schema import Schema

_KINDS: Final[dict[str, Literal["blk", "net"]]] = {"virtio-blk": "blk", "virtio-net": "net"}


def is_opaque(schema: Schema) -> bool:
    """Whether a schema has virtio state in it that it does not take apart."""
    return any(field.type == "virtio" for field in schema.fields)


def is_large(schema: Schema) -> bool:
    """Whether the schema is that of a whole virtio section: `tree.end_of` is faster there than `plan.measure`."""
    return schema.name in _KINDS


def refine(schema: Schema, payload: bytes) -> Schema:
    """`schema`, or if it is an opaque virtio one, the grammar that explains `payload` to its last byte."""
    if not is_opaque(schema) or schema.name not in _KINDS:
        return schema
    for guessed in guesses(_KINDS[schema.name], payload, 0):
        try:
            if end_of(guessed, payload, 0) == len(payload):
                return guessed
        except StreamError:
            continue
    return schema


def guesses(kind: Literal["blk", "net"], data: bytes, offset: int) -> Iterator[Schema]:
    """Schemas that a virtio payload beginning at `offset` may have, likely ones first."""
    short = data[offset + 4 : offset + 4 + pci.CONFIG_SIZE]
    vectors = pci.msix_vectors(short)
    express = pci.find_capability(short, 0x10) is not None
    told = _queues_told(kind, data, offset, vectors, express=express)
    for shape in _shapes(kind, vectors, express=express, told=min(told, 2)):
        yield virtio_schema(shape)


def _queues_told(kind: Literal["blk", "net"], data: bytes, offset: int, vectors: int, *, express: bool) -> int:
    """The number of queues (pairs) in the device config; 0 if no driver has read it.

    It decides where lengths do not: requests of several queues and those of a packed ring have four bytes more.
    """
    size = pci.EXPRESS_CONFIG_SIZE if express else pci.CONFIG_SIZE
    table = 16 * vectors + (vectors + 7) // 8 + 2 if vectors else 0
    head = offset + 4 + size + 16 + table
    length = int.from_bytes(data[head + 8 : head + 12], "big")
    config = data[head + 12 : head + 12 + min(length, 64)]
    at = 34 if kind == "blk" else 8
    return int.from_bytes(config[at : at + 2], "little")


def section_guesses(name: str, data: bytes, offset: int) -> Iterator[Schema]:
    """As `guesses`, for a section of that name; nothing if it is not of a known virtio device."""
    kind = _KINDS.get(name.rpartition("/")[2])
    return iter(()) if kind is None else guesses(kind, data, offset)


@lru_cache(maxsize=256)
def _shapes(kind: Literal["blk", "net"], vectors: int, *, express: bool, told: int) -> tuple[VirtioShape, ...]:
    base = VirtioShape(kind, express, vectors)
    shapes = [base, replace(base, queues=2) if kind == "blk" else replace(base, max_queue_pairs=2)]
    shapes += [replace(shape, packed=True) for shape in shapes] if kind == "blk" else []
    if told:
        shapes.sort(key=lambda shape: max(shape.queues, shape.max_queue_pairs) != told)
    # A config whose capabilities are damaged.
    return tuple(shapes) + tuple(replace(shape, express=not express) for shape in shapes)
