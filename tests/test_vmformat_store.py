"""The store: where schemas come from when neither the stream nor the caller has any."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from vmformat import Eof, Field, Header, Kind, Schema, Section, Stream, StreamError, read, store, write
from vmformat.store.archive import Archive, Entry, Folder, write_archive, write_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLD = Schema("gadget", 1, 1, (Field("a", "uint32"),))
NEW = Schema("gadget", 3, 2, (Field("a", "uint32"), Field("b", "uint64", since=3)))
ODD = Schema("gadget", 3, 3, (Field("a", "uint32"), Field("c", "uint16")))
KNOWN = {"gadget": [Entry(NEW, 7), Entry(ODD, 2), Entry(OLD, 1)], "a/b c": [Entry(replace(OLD, name="a/b c"), 1)]}
FREE = [("gadget", "list")]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of schemas in use."""
    write_folder(tmp_path / "mine", KNOWN, FREE)
    store.use(tmp_path / "mine")
    yield tmp_path / "mine"
    store.use()


@pytest.mark.parametrize("kind", ["archive", "folder"])
def test_what_is_written_is_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "store"
    source: Archive | Folder
    if kind == "archive":
        write_archive(path, KNOWN, FREE)
        source = Archive(path)
    else:
        write_folder(path, KNOWN, FREE)
        source = Folder(path)
    assert source.names() == ["a/b c", "gadget"]
    assert source.entries("gadget") == (Entry(NEW, 7), Entry(ODD, 2), Entry(OLD, 1))
    assert source.entries("nothing") == ()
    assert source.free() == (("gadget", "list"),)


def test_the_same_schemas_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_archive(tmp_path / name, KNOWN, FREE)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("version", "expected"), [(3, (NEW, ODD, OLD)), (2, (NEW, ODD, OLD)), (1, (OLD, NEW, ODD)), (9, (NEW, ODD, OLD))]
)
def test_likely_schemas_come_first(folder: Path, version: int, expected: tuple[Schema, ...]) -> None:
    assert store.schemas_for("0000:00:02.0/gadget", version) == expected
    assert store.schemas_for("nothing", version) == ()


def gadget(payload: bytes, version: int = 3, footer: int | None = None) -> Section:
    return Section(Kind.FULL, 5, "0000:00:02.0/gadget", 0, version, payload, None, footer)


@pytest.mark.parametrize(
    ("payload", "schema"), [(bytes(12), NEW), (bytes(6), ODD)], ids=["the usual shape", "another shape"]
)
@pytest.mark.parametrize("footer", [None, 5], ids=["no footers", "footers"])
def test_the_shape_that_ends_where_the_section_does(
    folder: Path, payload: bytes, schema: Schema, footer: int | None
) -> None:
    records = (gadget(payload, footer=footer), gadget(payload, footer=footer), Eof())
    data = write(Stream(Header(), None, records))
    found = read(data)
    assert [section.payload for section in found.sections] == [payload, payload]
    assert {section.schema for section in found.sections} == {schema}


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "[1]", '[{"schema": 1}]', '[{"seen": 1}]', "[" * 100_000], ids=lambda t: t[:12] or "nothing"
)
def test_damaged_files(tmp_path: Path, text: str) -> None:
    (tmp_path / "gadget.json").write_text(text)
    with pytest.raises(StreamError):
        Folder(tmp_path).entries("gadget")


def test_no_archive(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"no zip file")
    for path in (tmp_path / "store", tmp_path / "nothing"):
        with pytest.raises(StreamError):
            Archive(path).names()
    assert Folder(tmp_path / "nothing").names() == []


def test_what_is_shipped() -> None:
    names = store.shipped().names()
    assert {"timer", "cpu", "virtio-net", "ICH9LPC", "arm_gicv3", "pl011", "slirp"} <= set(names)
    for _, entry in store.entries():
        assert Schema.from_json(entry.schema.to_json()) == entry.schema
    with zipfile.ZipFile(store.shipped().path) as archive:
        assert archive.testzip() is None
    assert store.shipped().path.stat().st_size < 1_500_000


def test_nothing_is_read_before_someone_asks() -> None:
    code = (
        "import sys, vmformat.store as s; print(len({'zipfile'} & set(sys.modules)), s.shipped.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "0"
