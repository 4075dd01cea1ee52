"""Streams that the tests of `vmformat.render` share, small enough to have every byte in sight."""

from __future__ import annotations

from vmformat import (
    Cmd,
    Command,
    Configuration,
    Count,
    Eof,
    Field,
    Header,
    Kind,
    Schema,
    Section,
    Stream,
    pack,
    write,
)

PAIR = Schema("pair", 1, 1, (Field("a", "uint16"), Field("b", "uint8", count=2)))
DEVICE = Schema(
    "dev",
    1,
    1,
    (
        Field("level", "int32"),
        Field("on", "bool"),
        Field("text", "buffer", 8),
        Field("raw", "buffer", 2),
        Field("pairs", "struct", struct=PAIR, count=5),
        Field("n", "uint8"),
        Field("list", "uint16", count=Count("n")),
    ),
)
VALUES = {
    "level": 4096,
    "on": 1,
    "text": b"paused\0\0",
    "raw": b"\xfe\xff",
    "pairs": [{"a": 0, "b": (0, 0)}, {"a": 300, "b": (1, 2)}, *[{"a": 0, "b": (0, 0)}] * 3],
    "n": 0,
    "list": (),
}
RAM = bytes.fromhex(
    "0000000000002004 02 7064 00000000000020000000000000000002 02 7064 00 0000000000001022 00 0000000000000010"
)
STREAM = Stream(
    Header(),
    Configuration.build("pc", {"configuration/uuid": {"uuid": bytes(16)}}),
    (
        Section(Kind.START, 2, "ram", 0, 4, RAM, footer=2),
        Command.ping(7),
        Command.packaged(Section.build(DEVICE, VALUES, section_id=3).to_bytes() + Command(Cmd.POSTCOPY_RUN).to_bytes()),
        Section(Kind.FULL, 4, "odd\n", 1, 0, b"\1\2", footer=None),
        Eof(),
    ),
    b"junk",
)
SCHEMAS = {("dev", 0): DEVICE, ("odd\n", 1): Schema("odd", 0, 0, (Field("x", "uint8", count=2),))}


def device(section_id: int) -> Section:
    """A section of `DEVICE`."""
    return Section.build(DEVICE, VALUES, section_id=section_id)


NESTED = write(
    Stream(
        records=(
            Section(Kind.START, 2, "ram", 0, 4, RAM, footer=2),
            pack([pack([pack([device(3), Eof()]), Command(Cmd.RECV_BITMAP, b"\2pd"), Eof()]), device(5), Eof()]),
            device(6),
            Eof(),
        ),
        trailing=b"\6\0\0\0\2{}",
    )
)
"""Packages in packages, whose insides stand apart."""
