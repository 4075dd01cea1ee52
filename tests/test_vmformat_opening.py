"""Files of any size: what is read of them, and what is left where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import vmformat
from fuzz.corpus import find_machine, find_stream
from model import parse, section_schemas
from vmformat import Section, Span, StreamError, read, write
from vmformat.coverage import coverage

if TYPE_CHECKING:
    from pathlib import Path

NAME = "q35-modern"
WORD = 8


@pytest.fixture(scope="module")
def schemas() -> vmformat.Schemas:
    return section_schemas(parse(find_machine(NAME).description.read_bytes()))


@pytest.fixture(scope="module")
def data(schemas: vmformat.Schemas) -> bytes:
    """A stream with some pages, in two PARTs."""
    stream = read(find_stream(f"{NAME}/after").read_bytes(), schemas)
    at, end = next((i, r) for i, r in enumerate(stream.records) if isinstance(r, Section) and r.kind.name == "END")
    page = (4096 * 3 | 8).to_bytes(WORD, "big") + b"\6pc.ram" + bytes(range(256)) * 16
    pages = b"".join(page if i == 3 else zero(i) for i in range(2000))
    part = vmformat.Section(
        vmformat.Kind.PART, end.section_id, "ram", 0, 4, pages + (16).to_bytes(WORD, "big"), None, end.section_id
    )
    return write(stream.replace_record(at, part, part, end))


def zero(i: int) -> bytes:
    return (4096 * i | 2).to_bytes(WORD, "big") + b"\6pc.ram\0"


def test_a_small_file_is_read(tmp_path: Path, data: bytes, schemas: vmformat.Schemas) -> None:
    path = tmp_path / "small"
    path.write_bytes(data)
    assert vmformat.open(path, schemas) == read(data, schemas)


def test_ram_of_a_large_file_is_not_walked(tmp_path: Path, data: bytes, schemas: vmformat.Schemas) -> None:
    path = tmp_path / "large"
    path.write_bytes(data)
    found = vmformat.open(path, schemas, large=1000)
    assert [type(record) for record in found.records[:2]] == [Section, Span]
    assert write(found) == data
    assert found.whole().records == read(data, schemas).records
    assert [s.name for s in found.sections if s.name != "ram"] == [
        s.name for s in read(data, schemas).sections if s.name != "ram"
    ]
    blk = next(s for s in found.sections if s.name.endswith("virtio-blk"))
    assert blk.tree.find("virtio.queues.queue[0].num") is not None


def test_64_gib_show_their_devices(tmp_path: Path, data: bytes, schemas: vmformat.Schemas) -> None:
    """A hole stands for the pages: whoever walked them would find no records."""
    stream = read(data, schemas)
    first, last = stream.sections[1].offset, next(s.offset for s in stream.sections if s.kind.name == "FULL")
    path = tmp_path / "huge"
    mark = (16).to_bytes(WORD, "big") + data[last - 5 : last]
    with path.open("wb") as file:
        file.write(data[:first])
        file.seek(64 << 30)
        file.write(mark + data[last:])
    found = vmformat.open(path, schemas)
    assert len([s for s in found.sections if s.kind.name == "FULL"]) == len(
        [s for s in stream.sections if s.kind.name == "FULL"]
    )
    span = next(r for r in found.records if isinstance(r, Span))
    assert span.size > 63 << 30
    with pytest.raises(StreamError):
        span.records()


@pytest.mark.parametrize("cut", [10, 40, 400, 3000, 5000])
def test_a_large_file_that_is_damaged_is_walked(
    tmp_path: Path, data: bytes, schemas: vmformat.Schemas, cut: int
) -> None:
    path = tmp_path / "cut"
    path.write_bytes(data[: len(data) - cut])
    with pytest.raises(StreamError) as caught:
        vmformat.open(path, schemas, large=1000)
    assert "\n" not in str(caught.value)
    found = vmformat.open(path, schemas, large=1000, tolerant=True)
    assert found.faults
    assert write(found) == data[: len(data) - cut]
    assert found.faults == read(data[: len(data) - cut], schemas, tolerant=True).faults


def test_snapshots_are_in_images(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "stream"
    path.write_bytes(data)
    with pytest.raises(StreamError, match="a qcow2 image with snapshots"):
        vmformat.open(path, snapshot="one")


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        vmformat.open(tmp_path)
    with pytest.raises(FileNotFoundError):
        vmformat.open(tmp_path / "nothing")


def test_coverage_of_a_large_file_leaves_its_ram_alone(tmp_path: Path, data: bytes, schemas: vmformat.Schemas) -> None:
    path = tmp_path / "large"
    path.write_bytes(data)
    large, whole = coverage(vmformat.open(path, schemas, large=1000)), coverage(read(data, schemas))
    assert [one for one in large if one.name != "ram"] == [one for one in whole if one.name != "ram"]
