"""Sections of virtio devices, whose insides only their bytes tell: layouts, leaves, ends."""

from __future__ import annotations

from typing import Any

import pytest

from vmformat import (
    Configuration,
    Eof,
    Field,
    Kind,
    Schema,
    Section,
    Stream,
    StreamError,
    VirtioShape,
    blank,
    encode,
    leaves,
    read,
    virtio_schema,
    write,
)
from vmformat.tree import end_of


def payload_of(shape: VirtioShape, **changes: Any) -> bytes:
    """A payload of that shape whose config space has the capabilities that tell it."""
    schema = virtio_schema(shape)
    values: Any = blank(schema)
    pci = values["virtio"]["pci"]
    name = next(key for key in pci if key.startswith("config"))
    config = bytearray(pci[name])
    if shape.vectors:
        config[0x34] = 0x40
        config[0x40:0x44] = bytes([0x11, 0x50 if shape.express else 0]) + (shape.vectors - 1).to_bytes(2, "little")
        config[0x50] = 0x10
    elif shape.express:
        config[0x34], config[0x50] = 0x50, 0x10
    pci[name] = bytes(config)
    pci["version_id"] = 2
    values["virtio"]["core"]["virtio/started"] = {"started": 1}
    payload = encode(schema, values)
    if changes:
        values["virtio"]["device"].update(changes)
        payload = encode(schema, values)
    return payload


SHAPES: dict[str, VirtioShape] = {
    "blk, express": VirtioShape("blk", express=True, vectors=5),
    "blk, conventional": VirtioShape("blk", express=False, vectors=2),
    "blk without MSI-X": VirtioShape("blk", express=False, vectors=0),
    "net, express": VirtioShape("net", express=True, vectors=4),
    "net, several queue pairs": VirtioShape("net", express=True, vectors=10, max_queue_pairs=4),
}


def opaque(shape: VirtioShape, size: int) -> Schema:
    schema = virtio_schema(shape)
    return Schema(schema.name, schema.version, schema.minimum, (Field("virtio", "virtio", size),))


def with_section(shape: VirtioShape, payload: bytes, *, footer: bool = True) -> bytes:
    schema = virtio_schema(shape)
    section = Section(
        Kind.FULL, 9, f"0000:00:02.0/{schema.name}", 0, schema.version, payload, footer=9 if footer else None
    )
    return write(Stream(configuration=Configuration.build("pc"), records=(section, Eof())))


@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_the_bytes_tell_the_shape(case: str) -> None:
    shape = SHAPES[case]
    payload = payload_of(shape)
    assert end_of(virtio_schema(shape), b"xx" + payload + b"rest", 2) == 2 + len(payload)
    data = with_section(shape, payload)
    name = f"0000:00:02.0/virtio-{shape.kind}"
    # The size may be known, or one that the payload has no longer, or nothing at all.
    for schemas in ({(name, 0): opaque(shape, len(payload))}, {(name, 0): opaque(shape, len(payload) - 3)}):
        got = read(data, schemas)
        assert write(got) == data
        section = got.sections[0]
        assert section.payload == payload
        node = section.tree.find("virtio.core.virtio/started.started")
        assert node is not None
        assert node.value == 1
        assert {leaf.path for leaf in section.leaves} >= {"virtio.queues.num", "virtio.head.features_lo"}
    assert read(data).sections[0].payload == payload


@pytest.mark.parametrize("case", [case for case in SHAPES if "several" not in case], ids=str)
def test_shapes_are_told_without_footers(case: str) -> None:
    shape = SHAPES[case]
    payload = payload_of(shape)
    data = with_section(shape, payload, footer=False)
    assert read(data).sections[0].payload == payload


def test_a_request_names_its_queue_iff_there_are_several() -> None:
    for queues in (1, 4):
        shape = VirtioShape("blk", express=True, vectors=5, queues=queues)
        schema = virtio_schema(shape)
        inner = next(f for f in schema.fields[0].struct.fields if f.name == "device").struct  # type: ignore[union-attr]
        assert inner is not None
        requests = inner.fields[0]
        assert requests.struct is not None
        payload = payload_of(shape, requests=[blank(requests.struct)])
        section = read(with_section(shape, payload), {("0000:00:02.0/virtio-blk", 0): opaque(shape, 1)}).sections[0]
        assert section.payload == payload
        assert any("queue" in path for path, _ in section.tree.find("virtio.device").walk()) == (queues > 1)  # type: ignore[union-attr]


def test_a_damaged_payload_is_one_leaf_to_mutators() -> None:
    shape = SHAPES["blk, express"]
    schema = opaque(shape, 10)
    section = Section(Kind.FULL, 1, "virtio-blk", 0, 2, b"0123456789", schema)
    assert section.layout == schema
    section = Section(Kind.FULL, 1, "virtio-blk", 0, 2, b"0123", schema)
    assert [(leaf.path, leaf.size) for leaf in section.leaves] == [("payload", 4)]
    assert [node.name for node in section.tree.children] == ["@rest"]
    assert Section(Kind.FULL, 1, "x", 0, 2, b"").leaves == ()


def test_leaves_of_arrays_have_counts_and_strides() -> None:
    pair = Schema("pair", 1, 1, (Field("a", "uint8"), Field("b", "le16", count=2)))
    schema = Schema(
        "dev",
        1,
        1,
        (
            Field("name", "string"),
            Field("x", "uint32", count=3),
            Field("s", "struct", struct=pair, count=4),
            Field("irq", "pci irq state", 16),
        ),
    )
    payload = b"\2hi" + bytes(12) + bytes(range(20)) + bytes(16)
    found = leaves(schema, payload)
    assert [(f.path, f.offset, f.size, f.type, f.count, f.stride) for f in found] == [
        ("name@length", 0, 1, "uint8", 1, 0),
        ("name", 1, 2, "buffer", 1, 0),
        ("x[]", 3, 4, "uint32", 3, 4),
        ("s[].a", 15, 1, "uint8", 4, 5),
        ("s[].b[0]", 16, 2, "le16", 4, 5),
        ("s[].b[1]", 18, 2, "le16", 4, 5),
        ("irq[]", 35, 4, "uint32", 4, 4),
    ]
    third = found[5].element(2)
    assert (third.path, third.offset, third.count, third.byteorder) == ("s[2].b[1]", 28, 1, "little")
    assert payload[third.offset : third.offset + third.size] == bytes([13, 14])
    with pytest.raises(StreamError):
        found[5].element(4)
    assert leaves(schema, payload) is found
