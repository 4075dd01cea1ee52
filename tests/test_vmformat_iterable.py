"""Rows of records as trees: fields by name, the same bytes again, laziness, damage."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_vmformat_ram_walk import CONTEXTS, ENCODINGS, PAGE, counted, entry, mapped, word

from vmformat.errors import StreamError
from vmformat.iterable.payloads import decode_records, encode_records, iter_nodes, measure_records, records_fault
from vmformat.node import Node
from vmformat.ram.context import RamContext

EOS = word(0, 0x10)
BITMAP_START = bytes.fromhex("1c 03 647230 03 626d30 00010000 01 01")
BITMAP_BITS = bytes.fromhex(
    "4c 03 647230 03 626d30 0000000000000100 00000080 0000000000000002 ff01"  # names and bits
    "42 0000000000000200 00000080"  # zeroes of the bitmap named last
    "20 8040 0000000000000000 00000001 0000000000000000"  # complete; flags in two bytes; no data
    "80800001"  # the end, in four bytes
)
DISK = struct.pack(">Q", 5 << 9 | 1) + counted(b"ide0-hd0") + b"\x5a" * (1 << 20)
DISK += struct.pack(">Q", 5 << 9 | 9) + counted(b"ide0-hd0") + struct.pack(">QQ", 50 << 9 | 4, 2)

PAYLOADS: dict[str, tuple[str, bytes, RamContext | None]] = {
    **{f"ram, {name}": ("ram", data + EOS, context) for name, (data, context) in ENCODINGS.items()},
    "bitmap, start": ("dirty-bitmap", BITMAP_START, None),
    "bitmap, bits": ("dirty-bitmap", BITMAP_BITS, None),
    "block, nothing": ("block", struct.pack(">Q", 2), None),
    "block": ("block", DISK, None),
}


def check_places(node: Node, data: bytes, at: int) -> None:
    """Children lie one behind the other and fill their parent, but for lengths of a form of its own."""
    for child in node.children:
        assert child.offset == at, child
        at = child.end
        if child.value is None:
            check_places(child, data, child.offset)
        elif isinstance(child.value, int):
            assert int.from_bytes(data[child.offset : child.end], "big") == child.value
    assert at == node.end


@pytest.mark.parametrize(("name", "data", "context"), PAYLOADS.values(), ids=PAYLOADS.keys())
def test_there_and_back(name: str, data: bytes, context: RamContext | None) -> None:
    tree = decode_records(name, data, 0, context)
    assert encode_records(name, tree.values(), context) == data
    assert records_fault(name, data, 0, context) is None
    assert measure_records(name, b"..." + data + b"...", 3, context) == len(data) + 3
    check_places(tree, data, 0)
    children = tree.children
    assert list(iter_nodes(name, data, 0, context)) == list(children)
    for i, child in enumerate(children):
        assert tree.find(f"[{i}]") == child
    assert tree.find(f"[{len(children)}]") is None
    shifted = decode_records(name, data, 1000, context)
    assert [node.offset - 1000 for _, node in shifted.walk()] == [node.offset for _, node in tree.walk()]


@pytest.mark.parametrize(("name", "data", "context"), PAYLOADS.values(), ids=PAYLOADS.keys())
def test_damage_leaves_a_rest(name: str, data: bytes, context: RamContext | None) -> None:
    for cut in sorted({0, 1, 9, len(data) // 2, len(data) - 1} & set(range(len(data)))):
        broken = data[:cut]
        tree = decode_records(name, broken, 10, context)
        fault = records_fault(name, broken, 10, context)
        assert fault is not None
        assert 10 <= fault.offset <= 10 + len(broken)
        assert encode_records(name, tree.values(), context) == broken
        with pytest.raises(StreamError):
            measure_records(name, broken, 0, context)
    tree = decode_records(name, data + b"more", 0, context)
    assert tree.children[-1] == Node("@rest", "buffer", len(data), 4, b"more")
    fault = records_fault(name, data + b"more", 0, context)
    assert fault is not None
    assert (fault.offset, fault.found) == (len(data), "4 bytes more")
    assert encode_records(name, tree.values(), context) == data + b"more"


def field(name: str, data: bytes, path: str, context: RamContext | None = None) -> Any:
    node = decode_records(name, data, 0, context).find(path)
    return None if node is None else node.value


def test_fields_of_ram() -> None:
    data = word(0x1000, 4) + entry(b"pc.ram", 0x1000) + word(0, 8) + counted(b"pc.ram") + PAGE
    data += word(0x1000, 0x22) + b"\7" + word(0x2000, 0x60) + b"\1\0\4\0\2ab" + EOS
    assert field("ram", data, "[0].blocks[0].name") == b"pc.ram"
    assert field("ram", data, "[0].blocks[0].length") == 0x1000
    assert field("ram", data, "[1].block") == b"pc.ram"
    assert field("ram", data, "[1].data") == PAGE
    assert field("ram", data, "[2].address_flags") == 0x1022
    assert field("ram", data, "[2].fill") == 7
    assert field("ram", data, "[3].data@length") == 4
    assert field("ram", data, "[3].data") == b"\0\2ab"


def test_fields_of_a_mapped_block() -> None:
    context = RamContext(mapped_ram=True)
    data = word(0x2000, 4) + mapped(b"b", 0x2000, 8, 9) + EOS
    assert field("ram", data, "[0].blocks[0].header.page_size", context) == 4096
    assert field("ram", data, "[0].blocks[0].bitmap", context) == b"\1" * 8
    assert field("ram", data, "[0].blocks[0].pages[1]", context) == b"\xaa" * 4096


def test_fields_of_a_bitmap() -> None:
    assert field("dirty-bitmap", BITMAP_START, "[0].device") == b"dr0"
    assert field("dirty-bitmap", BITMAP_START, "[0].granularity") == 65536
    assert field("dirty-bitmap", BITMAP_BITS, "[0].data") == b"\xff\1"
    assert field("dirty-bitmap", BITMAP_BITS, "[1].data") is None
    assert field("dirty-bitmap", BITMAP_BITS, "[3].flags") == 0x8040


def test_lengths_and_sums_follow() -> None:
    values: Any = decode_records("ram", word(0x1000, 4) + entry(b"b", 0x1000) + EOS).values()
    values[0]["blocks"].append({"name": "c", "length": 0x3000})
    assert encode_records("ram", values) == word(0x4000, 4) + entry(b"b", 0x1000) + entry(b"c", 0x3000) + EOS
    packed: Any = decode_records("ram", word(0, 0x120) + b"\0\0\0\1x" + EOS).values()
    packed[0]["data"] = b"longer"
    assert encode_records("ram", packed) == word(0, 0x120) + b"\0\0\0\6longer" + EOS


@pytest.mark.parametrize(
    ("name", "values", "path", "found"),
    [
        pytest.param("ram", {"a": 1}, "ram", "{'a': 1}", id="no list"),
        pytest.param("ram", [{}], "ram[0]", "no field address_flags", id="nothing"),
        pytest.param("ram", [{"address_flags": 8}], "ram[0]", "no field block", id="no block"),
        pytest.param(
            "ram",
            [{"address_flags": 0x10}, {"address_flags": 0x28, "data": b"x"}],
            "ram[1]",
            "a page has 4096 bytes, not 1",
            id="a short page",
        ),
        pytest.param(
            "ram", [{"address_flags": 0x22, "fill": 256}], "ram[0]", "int too big to convert", id="a fill too large"
        ),
        pytest.param(
            "ram",
            [{"address_flags": 0x10, "x": 1}],
            "ram[0]",
            "a record of this kind has no field x",
            id="a field too many",
        ),
        pytest.param("ram", [7], "ram[0]", "fields by name are needed, not 7", id="a number"),
        pytest.param(
            "dirty-bitmap",
            [{"flags": 0x81}],
            "dirty-bitmap[0]",
            "flags 0x81 do not say how many bytes they have",
            id="flags",
        ),
        pytest.param(
            "block",
            [{"sector_flags": 1, "device": "d", "data": b""}],
            "block[0]",
            "a block has 1048576 bytes, not 0",
            id="a short block",
        ),
        pytest.param("vfio", [], "vfio", "vfio", id="another section"),
    ],
)
def test_values_that_do_not_fit(name: str, values: object, path: str, found: str) -> None:
    with pytest.raises(StreamError) as error:
        encode_records(name, values)
    assert (error.value.path, error.value.found) == (path, found)


def test_a_million_records_cost_nothing() -> None:
    data = word(0, 2) + counted(b"b") + b"\0" + (word(0x1000, 0x22) + b"\0") * 1_000_000 + EOS
    tree = decode_records("ram", data)
    node = tree.find("[999999]")
    assert node is not None
    assert (node.offset, node.size) == (11 + 999_998 * 9, 9)


PIECES = st.sampled_from(
    [
        *(data for name, data, _ in PAYLOADS.values() if name != "block"),
        *(data[:-8] for name, data, _ in PAYLOADS.values() if name == "ram"),
        b"\x80",
        b"\0" * 7,
        b"\x80\x81\0\0",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["ram", "dirty-bitmap", "block"]),
    st.lists(PIECES | st.binary(max_size=24), max_size=6).map(b"".join),
    CONTEXTS,
)
def test_any_bytes_come_back(name: str, data: bytes, context: RamContext) -> None:
    tree = decode_records(name, data, 0, context)
    assert encode_records(name, tree.values(), context) == data
    check_places(tree, data, 0)
    fault = records_fault(name, data, 0, context)
    assert fault is not None or all(child.name != "@rest" for child in tree.children)
