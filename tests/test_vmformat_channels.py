"""Side channels: each message or packet by name, the same bytes again, damage told."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmformat import Cmd, Command, Eof, Header, Stream, StreamError, read, write
from vmformat.channels import channel as channels
from vmformat.channels import colo
from vmformat.channels.channel import read_channel, write_channel
from vmformat.ram.context import RamContext

SHUT = bytes.fromhex("0001 0004 00000000")
PONG = bytes.fromhex("0002 0004 00000002")
REQUEST_ID = bytes.fromhex("0003 0013 0000000000001000 00002000 06 70632e72616d")
REQUEST = bytes.fromhex("0004 000c 0000000000003000 00001000")
BITMAP = bytes.fromhex("0005 0003 027064 0000000000000008 ff00000000000001 0123456789abcdef")
ACK = bytes.fromhex("0006 0004 00000001")
SWITCHOVER = bytes.fromhex("0007 0000")
SHORT = bytes.fromhex("0002 0002 0001")
UNKNOWN = bytes.fromhex("0063 0001 aa")
MESSAGES = (SHUT, PONG, REQUEST_ID, REQUEST, BITMAP, ACK, SWITCHOVER, SHORT, UNKNOWN)

HELLO = struct.pack(">II16sB39x", 0x11223344, 1, bytes(range(16)), 3)


def packet(flags: int, normal: int, size: int, offsets: list[int], data: bytes = b"", zero: int = 0) -> bytes:
    head = struct.pack(">IIIIIIQI28x256s", 0x11223344, 1, flags, len(offsets), normal, size, 7, zero, b"pc.ram")
    return head + struct.pack(f">{len(offsets)}Q", *offsets) + data


PAGES = packet(0, 2, 8192, [0x1000, 0x2000, 0, 0], b"\x11" * 4096 + b"\x22" * 4096)
STALE = packet(1, 0, 8192, [0x1000, 0x2000, 0, 0])
ZLIB = packet(2, 2, 5, [0x1000, 0x2000], b"zzzzz")
WITH_ZEROS = packet(0, 1, 4096, [0x1000, 0x2000, 0x3000], bytes(4096), zero=2)
STATE = struct.pack(">III256sII", 0x11223344, 1, 1 << 6, b"0000:00:02.0/vfio", 1, 4) + b"data"
PACKETS = (PAGES, STALE, ZLIB, WITH_ZEROS, STATE)

EOS = struct.pack(">Q", 0x10)
REQUESTED = struct.pack(">I", 1)
ROUND = struct.pack(">I", 3) + b"\3" + struct.pack(">I", 2) + struct.pack(">QB", 0x1022, 0) + EOS + b"\x7e\0\0\0\2\0"
BARE_ROUND = struct.pack(">I", 3) + b"\2" + struct.pack(">I", 2) + EOS + b"\0"
DEVICES = struct.pack(">IQ", 4, 5) + b"\4...\0"
CHECKPOINTS = (REQUESTED, ROUND, BARE_ROUND, DEVICES)

FILES: dict[str, tuple[str, bytes]] = {
    **{f"return path {i}": ("return-path", one) for i, one in enumerate(MESSAGES)},
    "return path": ("return-path", b"".join(MESSAGES)),
    "a silent one": ("return-path", b""),
    "hello": ("multifd", HELLO),
    **{f"multifd {i}": ("multifd", HELLO + one) for i, one in enumerate(PACKETS)},
    "multifd": ("multifd", HELLO + b"".join(PACKETS)),
    **{f"colo {i}": ("colo", one) for i, one in enumerate(CHECKPOINTS)},
    "colo": ("colo", b"".join(CHECKPOINTS)),
    "preempt": ("preempt", struct.pack(">Q", 8) + b"\6pc.ram" + bytes(4096) + EOS),
}


@pytest.mark.parametrize(("kind", "data"), FILES.values(), ids=FILES.keys())
def test_there_and_back(kind: str, data: bytes) -> None:
    channel = read_channel(data, kind)
    assert channel.fault is None
    assert write_channel(kind, channel.tree.values()) == data
    at = 0
    for record in channel.tree.children:
        assert record.offset == at
        for field in record.children:
            assert field.offset == at, field
            at = field.end
            if isinstance(field.value, int):
                assert int.from_bytes(data[field.offset : field.end], "big") == field.value
        assert record.end == at
        assert channel.title(record)
    assert at == len(data)


@pytest.mark.parametrize(("kind", "data"), FILES.values(), ids=FILES.keys())
def test_damage_is_told(kind: str, data: bytes) -> None:
    whole = [record.end for record in read_channel(data, kind).tree.children]
    for cut in {1, 3, 7, len(data) // 2, len(data) - 1}:
        if not 0 < cut < len(data) or cut in whole:
            continue
        channel = read_channel(data[:cut], kind)
        assert channel.fault is not None
        assert channel.tree.children[-1].name == "@rest"
        assert channel.title(channel.tree.children[-1]) == "no record"
        assert write_channel(kind, channel.tree.values()) == data[:cut]


def values(kind: str, data: bytes, index: int) -> Any:
    node = read_channel(data, kind).tree.find(f"[{index}]")
    assert node is not None
    return node.values()


def test_messages() -> None:
    data = b"".join(MESSAGES)
    titles = [read_channel(data, "return-path").title(node) for node in read_channel(data, "return-path").tree.children]
    assert titles == [
        *("SHUT", "PONG", "REQ_PAGES_ID", "REQ_PAGES", "RECV_BITMAP", "RESUME_ACK", "SWITCHOVER_ACK"),
        *("PONG", "message 99"),
    ]
    assert values("return-path", data, 0) == {"type": 1, "@length": 4, "error": 0}
    named = {"type": 3, "@length": 19, "start": 0x1000, "length": 0x2000, "block": b"pc.ram"}
    assert values("return-path", data, 2) == named
    assert values("return-path", data, 3) == {"type": 4, "@length": 12, "start": 0x3000, "length": 0x1000}
    assert values("return-path", data, 4)["bitmap"] == b"\xff" + bytes(6) + b"\1"
    assert values("return-path", data, 4)["end_mark"] == 0x0123456789ABCDEF
    assert values("return-path", data, 7)["payload"] == b"\0\1"


def test_packets() -> None:
    data = HELLO + b"".join(PACKETS)
    channel = read_channel(data)
    assert channel.kind == "multifd"
    titles = [channel.title(node) for node in channel.tree.children]
    assert titles == ["hello", "packet", "packet SYNC", "packet zlib", "packet", "device state"]
    hello = values("multifd", data, 0)
    assert (hello["id"], hello["uuid"]) == (3, bytes(range(16)))
    pages = values("multifd", data, 1)
    assert (pages["offsets"], pages["ramblock"].rstrip(b"\0")) == ((0x1000, 0x2000, 0, 0), b"pc.ram")
    second = channel.tree.find("[1].pages[1]")
    assert second is not None
    assert second.value == b"\x22" * 4096
    stale = values("multifd", data, 2)
    assert (stale["next_packet_size"], "pages" in stale, "data" in stale) == (8192, False, False)
    assert values("multifd", data, 3)["data"] == b"zzzzz"
    assert values("multifd", data, 4)["zero_pages"] == 2
    state = values("multifd", data, 5)
    assert (state["idstr"].rstrip(b"\0"), state["data"]) == (b"0000:00:02.0/vfio", b"data")


def test_checkpoints() -> None:
    data = b"".join(CHECKPOINTS)
    assert [read_channel(data, "colo").title(node) for node in read_channel(data, "colo").tree.children] == [
        *("CHECKPOINT_REQUEST", "VMSTATE_SEND", "VMSTATE_SEND", "VMSTATE_SIZE"),
    ]
    ram, end = values("colo", data, 1)["records"]
    assert ram == {
        "kind": 3,
        "section_id": 2,
        "payload": struct.pack(">QB", 0x1022, 0) + EOS,
        "footer": b"\x7e\0\0\0\2",
    }
    assert end == {"kind": 0}
    assert list(colo.vmstates(data)) == [(len(data) - 5, b"\4...\0")]
    assert list(colo.vmstates(data + b"\xff" * 9)) == [(len(data) - 5, b"\4...\0")]


def test_checkpoints_behind_a_stream() -> None:
    data = b"".join(CHECKPOINTS)
    text = b'{"page_size": 4096, "devices": []}'
    for trailing in (b"", b"\6" + struct.pack(">I", len(text)) + text):
        stream = read(write(Stream(Header(), None, (Command(Cmd.ENABLE_COLO), Eof()), trailing + data)))
        channel = channels.checkpoints(stream)
        assert channel is not None
        assert (channel.data, channel.fault) == (data, None)
        start = len(write(stream)) - len(data)
        assert [node.offset for node in channel.tree.children][:2] == [start, start + 4]
    assert channels.checkpoints(Stream(records=(Eof(),), trailing=data)) is None


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        pytest.param(
            "return-path",
            [{"type": 2}],
            "(return-path[0]): expected values that fit a record, found no field cookie",
            id="missing",
        ),
        pytest.param("return-path", [{"type": 2, "cookie": 1 << 32}], "int too big to convert", id="too large"),
        pytest.param("return-path", [{"type": 2, "cookie": 1, "x": 1}], "no field x", id="too many"),
        pytest.param("multifd", [{"uuid": b""}], "no field magic", id="hello"),
        pytest.param("colo", [{"message": 3, "records": [{"kind": 0, "footer": b""}]}], "no field footer", id="eof"),
        pytest.param("morse", [], "expected multifd, return-path, colo, preempt, found morse", id="kind"),
    ],
)
def test_values_that_do_not_fit(kind: str, given: object, message: str) -> None:
    with pytest.raises(StreamError) as error:
        write_channel(kind, given)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        pytest.param(b"QEVM\0\0\0\3", "found a stream", id="a stream"),
        pytest.param(PONG, "found 00 02 00 04", id="unnamed"),
        pytest.param(b"", "found nothing", id="nothing"),
    ],
)
def test_a_channel_that_nobody_named(data: bytes, found: str) -> None:
    with pytest.raises(StreamError, match=found):
        read_channel(data)


PIECES = st.sampled_from([*MESSAGES, HELLO, *PACKETS, *CHECKPOINTS, b"\0", b"\xff" * 8]) | st.binary(max_size=20)


@settings(deadline=None)
@given(
    st.sampled_from(channels.KINDS),
    st.lists(PIECES, max_size=5).map(b"".join),
    st.builds(RamContext, st.sampled_from([4096, 1024]), st.booleans()),
)
def test_any_bytes_come_back(kind: str, data: bytes, context: RamContext) -> None:
    channel = read_channel(data, kind, context)
    assert write_channel(kind, channel.tree.values(), context) == data
    assert channel.fault is not None or all(node.name != "@rest" for node in channel.tree.children)
    assert all(channel.title(node) for node in channel.tree.children)
