from __future__ import annotations

import pytest

from vmformat import Cmd, Command, StreamError

CASES: dict[str, tuple[Command, str, str, tuple[tuple[str, int | bytes], ...]]] = {
    "no payload": (Command(Cmd.OPEN_RETURN_PATH), "08 0001 0000", "OPEN_RETURN_PATH", ()),
    "ping": (Command.ping(0x1_0000_0002), "08 0002 0004 00000002", "PING", (("cookie", 2),)),
    "advise": (
        Command(Cmd.POSTCOPY_ADVISE, bytes(6) + b"\x10\0" + bytes(6) + b"\x10\0"),
        "08 0003 0010 0000000000001000 0000000000001000",
        "POSTCOPY_ADVISE",
        (("page_sizes", 4096), ("target_page_size", 4096)),
    ),
    "discard": (
        Command(Cmd.POSTCOPY_RAM_DISCARD, b"\0\2pc\0" + bytes(8) + bytes(6) + b"\x20\0"),
        "08 0006 0015 00 02 7063 00 0000000000000000 0000000000002000",
        "POSTCOPY_RAM_DISCARD",
        (("version", 0), ("block", b"pc"), ("start[0]", 0), ("length[0]", 0x2000)),
    ),
    "discard that is none": (
        Command(Cmd.POSTCOPY_RAM_DISCARD, b"\0\xffpc"),
        "08 0006 0004 00ff7063",
        "POSTCOPY_RAM_DISCARD",
        (("payload", b"\0\xffpc"),),
    ),
    "bitmap": (Command(Cmd.RECV_BITMAP, b"\2pc"), "08 000a 0003 02 7063", "RECV_BITMAP", (("block", b"pc"),)),
    "package": (Command.packaged(b"\0"), "08 0007 0004 00000001 00", "PACKAGED", (("length", 1),)),
    "unknown": (Command(99, b"x"), "08 0063 0001 78", "command 99", (("payload", b"x"),)),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bytes_and_fields(case: str) -> None:
    command, text, name, fields = CASES[case]
    assert command.to_bytes() == bytes.fromhex(text)
    assert command.name == name
    assert command.fields == fields


def test_a_payload_has_at_most_65535_bytes() -> None:
    with pytest.raises(StreamError):
        Command(Cmd.PING, bytes(65536)).to_bytes()
