"""What a section holds, told from its own bytes, where its schema does not tell all of it.

Three kinds of schema leave something open: those with old-style state that QEMU calls one opaque field (virtio, the
requests of a SCSI disk, user-mode networking), and those with arrays whose length is the machine's and stands nowhere
in the stream (`store.free`). `alternatives` gives what such a section may be, likely ones first; the reader takes the
first that ends where the section does. Of a section that is cut off or damaged none does: then it is the one that
explains most of it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from vmformat import pci, store
from vmformat.errors import StreamError
from vmformat.framing import NAMED, RECORDS, Kind
from vmformat.of_input import kept
from vmformat.schema import Count, Field, Schema
from vmformat.store.slirp import SLIRP
from vmformat.tree import decode_partial, end_of
from vmformat.variants import variants
from vmformat.virtio import MPTSAS_PART, VMSDS, VirtioShape, mem_early, scsi_disk_schema, virtio_part, virtio_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

OPAQUE: Final = frozenset({"virtio", "scsi-requests"})
"""Wire types of old-style state that QEMU does not describe further."""

_COUNTED: Final = {"blk": 34, "vhost-user-blk": 34, "net": 8}
"""Where the number of queues (pairs) stands in the device config."""

_MOST_PORTS: Final = 512
"""More ports than any virtio-serial has."""

_MOST_ELEMENTS: Final = 1024
"""More elements than an array has whose length is the machine's: processors, memory slots, ports."""

_LENGTH: Final = "@length"
_LONGEST: Final = 256
_MOST_TRIED: Final = 64

_NEAR: Final = 1 << 18
"""Bytes in which a section's subsections are looked for."""

_KEPT: Final = (virtio_part(packed=False), virtio_part(packed=True), (), MPTSAS_PART)
"""What controllers keep of a SCSI disk's requests."""

_MMIO_HEAD: Final = 12
_MMIO_SURE: Final = _MMIO_HEAD + 12
_PCI_SURE: Final = 4 + pci.CONFIG_SIZE + 16
"""Bytes behind which a guess has explained more than any would."""

_PCI_VERSION: Final = 2
_MOST_SHIFT: Final = 64

_EARLY: Final = "virtio-mem-device-early"


def is_opaque(schema: Schema) -> bool:
    """Whether a schema has old-style state in it that it does not take apart."""
    return _is_slirp(schema) or _has(schema, *OPAQUE)


def _has(schema: Schema, *types: str) -> bool:
    """Whether there are fields of these types in a schema."""
    return any(
        field.type in types or (field.struct is not None and _has(field.struct, *types)) for field in schema.fields
    )


def is_unsized(schema: Schema) -> bool:
    """Whether a schema, one of the store's, does not say how long its opaque state is."""
    return any(
        (field.type in OPAQUE and not field.size) or (field.struct is not None and is_unsized(field.struct))
        for field in schema.fields
    )


def refine(schema: Schema, payload: bytes) -> Schema:
    """`schema`, or if it leaves something open, what explains `payload` to its last byte, or else most of it."""
    opaque = is_opaque(schema)
    if not opaque:
        if _reach(schema, payload) == len(payload):
            return schema
        for other in variants(schema, payload):
            if _reach(other, payload) == len(payload):
                return other
        if not has_free(schema):  # the store is asked last: it takes longest
            return schema
    best, most = schema, len(payload) // 2 if opaque and _reach(schema, payload) == len(payload) else -1
    for guessed in alternatives(schema, schema.name, payload, 0):
        reach = _reach(guessed, payload)
        if reach == len(payload):
            return guessed
        if reach > most and reach >= _sure(guessed, payload):
            best, most = guessed, reach
    return best


def _sure(schema: Schema, payload: bytes) -> int:
    """Of a virtio section the bytes that must be understood before it is believed to be one.

    More than there are if its first numbers are none that the transport has: a version of PCI's part up to 2 and
    interrupt levels of 0 or 1, a page shift of MMIO's below 64.
    """
    inner = schema.fields[0].struct if schema.name in VMSDS and schema.fields else None
    if inner is None or not inner.fields:
        return 0
    if inner.fields[0].name == "mmio":
        return _MMIO_SURE if int.from_bytes(payload[8:12], "big") < _MOST_SHIFT else len(payload) + 1
    function = inner.fields[0].struct
    levels = 4 + (function.fields[1].size if function is not None else 0)
    plain = not any(payload[levels : levels + 16].translate(None, b"\0\1"))
    return _PCI_SURE if plain and int.from_bytes(payload[:4], "big") <= _PCI_VERSION else len(payload) + 1


def _reach(schema: Schema, payload: bytes) -> int:
    """Where a schema's walk over a payload ends: its length if that is right, else how much of it was understood."""
    try:
        return min(end_of(schema, payload, 0), len(payload))
    except StreamError as error:
        return min(max(error.offset, 0), max(len(payload) - 1, 0))


def alternatives(schema: Schema | None, name: str, data: bytes, offset: int) -> Iterator[Schema]:
    """What the payload beginning at an offset may be if its schema leaves something open, or if there is none.

    `name` is the section's; nothing comes if it is of no kind that is known here.
    """
    vmsd = name.rpartition("/")[2]
    kind = VMSDS.get(vmsd)
    if kind is not None:
        yield from guesses(kind, data, offset)
    elif vmsd == _EARLY:
        region, block = (int.from_bytes(data[offset + 8 * i : offset + 8 * i + 8], "big") for i in (1, 2))
        yield mem_early(min(region // block, 8 * len(data)) if block else 0)
    elif schema is None:
        return
    elif _is_slirp(schema):
        yield SLIRP
    elif _has(schema, "scsi-requests"):
        yield from (scsi_disk_schema(schema, kept=kept) for kept in _KEPT)
    elif has_free(schema):
        yield from _lengths(schema, data, offset)


def _is_slirp(schema: Schema) -> bool:
    return schema.name == SLIRP.name and schema.raw


@lru_cache(maxsize=256)
def _free_in(schema: Schema) -> tuple[tuple[str, str], ...]:
    """The arrays in a schema, nested ones included, whose length is the machine's."""
    found: dict[tuple[str, str], None] = {}
    known = store.free()
    for field in schema.fields:
        if (schema.name, field.name) in known and not isinstance(field.count, Count):
            found[schema.name, field.name] = None
        if field.struct is not None:
            found |= dict.fromkeys(_free_in(field.struct))
    for sub in schema.subsections:
        found |= dict.fromkeys(_free_in(sub))
    return tuple(found)


def has_free(schema: Schema) -> bool:
    """Whether a schema has arrays whose length is the machine's."""
    return bool(_free_in(schema))


def _lengths(schema: Schema, data: bytes, offset: int) -> Iterator[Schema]:
    """The schema with its arrays of open length, those that the data have, of each length that may be right.

    An array behind which a subsection begins ends there. The others, but for the last, stay as they were described.
    """
    near = data[offset : offset + _NEAR]
    arrays = [a for a in _free_in(schema) if (home := _home(schema, a)) is None or home.encode() in near]
    marks = tuple(bytes([0x05, len(name)]) + name for name in _subsections(schema))
    open_ones = []
    for array in arrays:
        count = _until(schema, array, near, marks)
        if count is None:
            open_ones.append(array)
        else:
            schema = _with_length(schema, array, count)
    if not open_ones:
        if arrays:
            yield schema
        return
    later: list[int] = []
    for count, end in _ends(schema, open_ones[-1], near):
        if end == len(near) or near[end] == Kind.FOOTER or _begins(near, end):
            yield _with_length(schema, open_ones[-1], count)
        elif near[end] in RECORDS and len(later) < _MOST_TRIED:
            later.append(count)
    yield from (_with_length(schema, open_ones[-1], count) for count in later)


def _begins(data: bytes, at: int) -> bool:
    """Whether a section with a name begins there, beyond doubt."""
    name = data[at + 6 : at + 6 + data[at + 5]] if data[at] in NAMED and at + 6 < len(data) else b""
    return len(name) > 1 and name.isascii() and name.decode().isprintable()


def _subsections(schema: Schema) -> frozenset[bytes]:
    """The names of all subsections, those of nested vmsds and of each other included."""
    found = {sub.name.encode() for sub in schema.subsections}
    for inner in (*(f.struct for f in schema.fields if f.struct is not None), *schema.subsections):
        found |= _subsections(inner)
    return frozenset(name for name in found if len(name) < _LONGEST)


def _until(schema: Schema, array: tuple[str, str], data: bytes, marks: tuple[bytes, ...]) -> int | None:
    """How many elements an array has if a subsection begins behind it; None if none does."""
    size = _element_size(schema, array)
    tree, _ = decode_partial(_with_length(schema, array, 0), data)
    home = _home(schema, array)
    top = tree if home is None else next((n for _, n in tree.walk() if n.name == home and n.type == "subsection"), None)
    start = None if top is None else next((n.offset for _, n in top.walk() if n.name == array[1] and not n.size), None)
    if start is None or not size:
        return None
    for count in range(min(_MOST_ELEMENTS, (len(data) - start) // size) + 1):
        if data.startswith(marks, start + count * size):
            return count
    return None


def _ends(schema: Schema, array: tuple[str, str], data: bytes) -> Iterator[tuple[int, int]]:
    """Where the payload that `data` begin with ends, for each length of an array that leads to an end.

    The length is put before the payload as a number that counts the array, so that there is one grammar for all.
    """
    counted = _with_length(schema, array, Count(_LENGTH))
    whole = Schema("lengths", 1, 1, (Field(_LENGTH, "uint32"), Field("payload", "struct", struct=counted)), raw=True)
    most = min(_MOST_ELEMENTS, len(data) // max(_element_size(schema, array), 1))
    for count in range(most + 1):
        try:
            yield count, end_of(whole, count.to_bytes(4, "big") + data, 0) - 4
        except StreamError:
            continue


def _home(schema: Schema, array: tuple[str, str]) -> str | None:
    """The subsection in which an array stands, the innermost one; None if in none."""
    for field in schema.fields:
        if field.struct is not None and array in _free_in(field.struct):
            return _home(field.struct, array)
    for sub in schema.subsections:
        if array in _free_in(sub):
            return _home(sub, array) or sub.name
    return None


def _element_size(schema: Schema, array: tuple[str, str]) -> int:
    """At least so many bytes has an element of an array."""
    for field in schema.fields:
        if (schema.name, field.name) == array:
            return field.width if field.struct is None else _least(field.struct)
    inner = [field.struct for field in schema.fields if field.struct is not None]
    return max((_element_size(one, array) for one in (*inner, *schema.subsections)), default=0)


def _least(schema: Schema) -> int:
    return sum(
        (field.width if field.struct is None else _least(field.struct))
        * (field.count if isinstance(field.count, int) else 1)
        for field in schema.fields
        if field.when is None and not isinstance(field.count, Count)
    )


def _with_length(schema: Schema, array: tuple[str, str], count: int | Count) -> Schema:
    fields: list[Field] = []
    for field in schema.fields:
        if (schema.name, field.name) == array:
            field = replace(field, count=count)
        elif field.struct is not None and array in _free_in(field.struct):
            field = replace(field, struct=_with_length(field.struct, array, count))
        fields.append(field)
    subsections = tuple(
        _with_length(sub, array, count) if array in _free_in(sub) else sub for sub in schema.subsections
    )
    return replace(schema, fields=tuple(fields), subsections=subsections)


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


@kept(256)
def _shapes(base: VirtioShape, told: int) -> tuple[VirtioShape, ...]:
    shapes = [base]
    if base.kind == "blk":
        shapes.append(replace(base, queues=2))
    elif base.kind == "net":
        shapes.append(replace(base, max_queue_pairs=2))
    elif base.kind == "mem":
        shapes.append(replace(base, early=True))
    if base.kind in {"blk", "console"}:
        shapes += [replace(shape, packed=True) for shape in shapes]
    if told:
        shapes.sort(key=lambda shape: max(shape.queues, shape.max_queue_pairs) != told)
    # A config whose capabilities are damaged.
    others = [] if base.transport == "mmio" else [replace(shape, express=not base.express) for shape in shapes]
    return tuple(shapes + others)
