"""What a section holds, told from its own bytes: lengths that the machine knows, kinds that nobody has seen."""

from __future__ import annotations

from typing import Any

import pytest

from vmformat import (
    Eof,
    Field,
    Header,
    Kind,
    Schema,
    Section,
    Stream,
    VirtioShape,
    blank,
    encode,
    read,
    virtio_schema,
    write,
)
from vmformat import store as shipped
from vmformat.reading.guess import has_free, refine
from vmformat.store.processors import SUBSECTIONS, with_known
from vmformat.store.unseen import SCHEMAS, with_insides
from vmformat.tree import decode
from vmformat.virtio import HOST_KINDS, mem_early


def section(name: str, version: int, payload: bytes, footer: int | None) -> Section:
    return Section(Kind.FULL, 7, name, 0, version, payload, None, footer)


def stream(*sections: Section) -> bytes:
    return write(Stream(Header(), None, (*sections, Eof())))


def encode_with(schema: Schema, ports: int) -> bytes:
    """A payload with so many ports."""
    values: Any = blank(schema)
    payload = encode(schema, values)
    tree = decode(schema, payload)
    array = next(node for path, node in tree.walk() if path.endswith("ports") and node.children)
    one = array.size // len(array.children)
    return payload[: array.offset] + bytes(one * ports) + payload[array.end :]


@pytest.mark.parametrize("ports", [1, 2, 7, 19, 30])
@pytest.mark.parametrize("footer", [7, None], ids=["footers", "no footers"])
def test_an_array_of_the_machines_length(ports: int, footer: int | None) -> None:
    (schema, *_) = shipped.schemas_for("xhci", 1)
    assert has_free(schema)
    payload = encode_with(schema, ports)
    data = stream(section("0000:00:02.0/xhci", 1, payload, footer), section("timer", 2, bytes(24), footer))
    found = read(data)
    assert [len(s.payload) for s in found.sections] == [len(payload), 24]
    tree = found.sections[0].tree
    assert found.sections[0].faults == ()
    array = next(node for path, node in tree.walk() if path.endswith("ports"))
    assert len(array.children) == ports


@pytest.mark.parametrize("kind", HOST_KINDS)
@pytest.mark.parametrize("footer", [7, None], ids=["footers", "no footers"])
def test_kinds_that_nobody_has_seen(kind: str, footer: int | None) -> None:
    schema = virtio_schema(VirtioShape(kind, express=False, vectors=0))
    values: Any = blank(schema)
    values["virtio"]["pci"]["version_id"] = 2
    values["virtio"]["core"] = {"virtio/128bit_features": {"@version": 1, "guest_features_hi": 5}}
    payload = encode(schema, values)
    data = stream(section(f"0000:00:02.0/{schema.name}", schema.version, payload, footer))
    (found,) = read(data).sections
    assert found.payload == payload
    node = found.tree.find("virtio.core.virtio/128bit_features.guest_features_hi")
    assert node is not None
    assert node.value == 5


def test_the_early_section_of_virtio_mem() -> None:
    schema = mem_early(100)
    values: Any = blank(schema)
    values["tmp"] |= {"region_size": 100 << 21, "block_size": 1 << 21}
    payload = encode(schema, values)
    (found,) = read(stream(section("0000:00:02.0/virtio-mem-device-early", 1, payload, 7))).sections
    node = found.tree.find("bitmap")
    assert node is not None
    assert node.size == 16


def test_user_mode_networking() -> None:
    described = Schema("slirp", 0, 0, (Field("data", "buffer", 131),), raw=True)
    payload = b"\0" + b"\0\7" + b"\0\1" + b"RT\0\x124V" + bytes(8 * 15)
    assert refine(described, payload).name == "slirp"
    tree = decode(refine(described, payload), payload, 0, 4)
    assert tree.find("ip_id").value == 7  # type: ignore[union-attr]
    assert tree.find("bootp_clients[0].macaddr").value == b"RT\0\x124V"  # type: ignore[union-attr]


def test_subsections_of_processors_are_known() -> None:
    (schema,) = [s for s in shipped.schemas_for("cpu", 12) if s.version == 12]
    names = {sub.name for sub in schema.subsections}
    assert {sub.name for sub in SUBSECTIONS["cpu", 12]} <= names
    assert with_known(schema) == schema
    assert all(sub.fields for subs in SUBSECTIONS.values() for sub in subs)


def test_what_nobody_has_seen_is_marked_so() -> None:
    seen = {entry.schema.name: entry.seen for _, entry in shipped.entries()}
    assert {seen[schema.name] for schema in SCHEMAS} == {0}


def test_old_style_fields_of_usb_redirection() -> None:
    schema = Schema(
        "usb-redir", 1, 1, (Field("parser", "usb-redir-parser", 4), Field("ids", "usb-redir-packet-id-q", 4))
    )
    apart = with_insides(schema)
    payload = b"\0\0\0\2ab" + b"\0\0\0\1" + (9).to_bytes(8, "big")
    tree = decode(apart, payload)
    assert tree.find("parser").value == b"ab"  # type: ignore[union-attr]
    assert tree.find("ids.ids").value == (9,)  # type: ignore[union-attr]
