"""How many bytes of a stream have a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vmformat import Command, Eof, Field, Header, Kind, Schema, Section, Stream
from vmformat.configuration import Configuration
from vmformat.coverage import DeviceCoverage, coverage, total, unnamed

if TYPE_CHECKING:
    from collections.abc import Callable

PAIR = Schema("pair", 1, 1, (Field("a", "uint32"), Field("b", "buffer", 4)))
OPAQUE = Schema("opaque", 1, 1, (Field("a", "uint32"), Field("state", "something odd", 12)))
QUEUES = Schema("queues", 1, 1, (Field("q", "struct", count=5, struct=OPAQUE),))


def section(schema: Schema | None, payload: bytes, name: str = "dev") -> Section:
    return Section(Kind.FULL, 1, name, 0, 1, payload, schema, 1)


FRAME = len(section(None, b"").to_bytes())


@pytest.mark.parametrize(
    ("record", "size", "named"),
    [
        pytest.param(section(PAIR, bytes(8)), FRAME + 8, FRAME + 8, id="all fields have names"),
        pytest.param(section(None, bytes(8)), FRAME + 8, FRAME, id="no schema"),
        pytest.param(section(PAIR, bytes(9)), FRAME + 9, FRAME, id="a schema that does not fit"),
        pytest.param(section(OPAQUE, bytes(16)), FRAME + 16, FRAME + 4, id="a type of unknown insides"),
        pytest.param(section(QUEUES, bytes(80)), FRAME + 80, FRAME + 20, id="one element stands for all"),
        pytest.param(section(None, b""), FRAME, FRAME, id="nothing in it"),
    ],
)
def test_a_section(record: Section, size: int, named: int) -> None:
    (_, found, end) = coverage(Stream(Header(), None, (record, Eof())))
    assert (found.name, found.sections, found.size) == ("dev", 1, size)
    if record.schema is PAIR and len(record.payload) == 9:
        assert found.named >= named
    else:
        assert found.named == named
    assert end == DeviceCoverage("eof", 0, 1, 1, 1)


def test_what_is_no_device_has_names() -> None:
    stream = Stream(Header(), Configuration.build("pc"), (Command(2, b"\0\0\0\1"), Eof()), b"rest")
    found = {part.name: (part.size, part.named) for part in coverage(stream)}
    assert found == {
        "header": (8, 8),
        "configuration": (7, 7),
        "commands": (9, 9),
        "eof": (1, 1),
        "trailing": (4, 0),
    }
    assert total(coverage(stream)).size == 29


def test_pages_of_ram_do_not_count() -> None:
    listed = (0x1000 | 4).to_bytes(8, "big") + b"\1r" + (0x1000).to_bytes(8, "big")
    end = (0x10).to_bytes(8, "big")
    page = (8).to_bytes(8, "big") + b"\1r" + bytes(4096)
    start = Section(Kind.START, 1, "ram", 0, 4, listed + end, None, 1)
    part = Section(Kind.PART, 1, "ram", 0, 4, page + end, None, 1)
    frames = sum(len(s.head()) + len(s.foot()) for s in (start, part))
    (_, ram) = coverage(Stream(Header(), None, (start, part)))
    assert (ram.name, ram.sections, ram.size, ram.share) == ("ram", 2, frames + 18 + 8 + 8, 1.0)


def test_paths_of_what_has_no_name() -> None:
    record = section(QUEUES, bytes(80))
    assert [(path, node.size) for path, node in unnamed(record.tree)] == [("q[0].state", 12)]


@pytest.mark.parametrize("share", [lambda p: p.share], ids=["share"])
def test_nothing_is_wholly_named(share: Callable[[DeviceCoverage], float]) -> None:
    assert share(DeviceCoverage("x", 0, 1, 0, 0)) == 1.0
