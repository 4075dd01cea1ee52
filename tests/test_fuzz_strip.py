"""`vmfuzz strip`: what it writes, what it says, what cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_fuzz_cli import vmfuzz
from test_vmformat_qcow2 import Image
from test_vmformat_ram_pages import EOS, LIST, stream
from test_vmformat_ram_walk import counted, word
from test_vmformat_strip import ALL, CASES

from vmformat import read, write
from vmformat.reading.opening import LARGE

if TYPE_CHECKING:
    from pathlib import Path

WORDS: dict[str, tuple[tuple[str, ...], str]] = {
    "none": ((), "none"),
    "all": (("--ram", "all"), "all"),
    "zero": (("--ram", "zero"), "zero"),
    "all but a block": (("--ram", "all-but", "pc.ram"), "all but a block"),
    "a range": (("--keep", "pc.ram:0x1002+3"), "a range"),
    "no zeros": (("--ram", "all", "--drop-zero"), "no zeros"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stream"
    path.write_bytes(write(stream(LIST, ALL + EOS, EOS)))
    return path


@pytest.mark.parametrize(("words", "case"), WORDS.values(), ids=WORDS.keys())
def test_strips(
    words: tuple[str, ...], case: str, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = file.parent / "out"
    assert vmfuzz(monkeypatch, "strip", str(file), "-o", str(out), *words) == 0
    assert [section.payload for section in read(out.read_bytes()).sections] == CASES[case][1]
    assert capsys.readouterr().out == f"{out}: {out.stat().st_size} bytes of {file.stat().st_size}\n"


def test_a_shipped_stream_loses_its_description_too(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    assert vmfuzz(monkeypatch, "strip", "pc-small/after", "-o", str(file), "--vmdesc") == 0
    got = read(file.read_bytes())
    assert got.vmdescription is None
    assert [one.name for one in got.sections][-1] == "globalstate"


def test_a_snapshot_in_an_image(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = file.read_bytes()
    file.write_bytes(Image(whole).file)
    out = file.parent / "out"
    for words in ((), ("--snapshot", "name")):
        assert vmfuzz(monkeypatch, "strip", str(file), "-o", str(out), *words) == 0
        assert [section.payload for section in read(out.read_bytes()).sections] == [LIST, EOS]
        assert capsys.readouterr().out == f"{out}: {out.stat().st_size} bytes of {len(whole)}\n"
    assert vmfuzz(monkeypatch, "strip", str(file), "-o", str(out), "--snapshot", "no") == 2
    assert "expected a snapshot 'no', found 'name', 'disk'" in capsys.readouterr().err


def test_a_large_stream_is_written_in_pieces(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = word(0x1000, 0x28) + bytes(range(256)) * 16
    part = word(0, 2) + counted(b"pc.ram") + b"\0" + page * 5000 + EOS
    file.write_bytes(write(stream(LIST, part, part, part, part, EOS)))
    assert file.stat().st_size > LARGE
    out = file.parent / "out"
    assert vmfuzz(monkeypatch, "strip", str(file), "-o", str(out), "--ram", "all-but", "rom") == 0
    assert out.read_bytes() == file.read_bytes()
    assert vmfuzz(monkeypatch, "strip", str(file), "-o", str(out)) == 0
    assert [section.payload for section in read(out.read_bytes()).sections] == [LIST, EOS]


UNUSABLE: dict[str, tuple[tuple[str, ...], str]] = {
    "no output": ((), "Missing option '-o'"),
    "a mode": (("-o", "out", "--ram", "some"), "--ram: expected none, zero, all, all-but, found some"),
    "blocks": (("-o", "out", "pc.ram"), "pc.ram: blocks are named with --ram all-but only"),
    "no blocks": (("-o", "out", "--ram", "all-but"), "expected the names of blocks behind the stream"),
    "a range": (
        ("-o", "out", "--keep", "pc.ram:1"),
        "--keep: expected BLOCK:OFFSET+LENGTH, as pc.ram:0x1000+64",
    ),
    "a number": (("-o", "out", "--keep", "pc.ram:1+x"), "expected BLOCK:OFFSET+LENGTH"),
    "a block": (("-o", "out", "--keep", "ram:1+1"), "no RAM block 'ram' in the stream, which has 'pc.ram', 'rom'"),
    "a folder": (("-o", "/nothing/out"), "/nothing/out: No such file or directory"),
}


@pytest.mark.parametrize(("words", "line"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_cannot_be_used(
    words: tuple[str, ...], line: str, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(file.parent)
    assert vmfuzz(monkeypatch, "strip", str(file), *words) == 2
    said = capsys.readouterr()
    assert line in said.err
    assert (said.err.count("\n"), said.out) == (1, "")
    assert [path.name for path in file.parent.iterdir()] == ["stream"]


def test_a_page_that_cannot_be_known(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(write(stream(LIST, word(0, 0x40) + counted(b"pc.ram") + b"\1\0\4\0\2ab" + EOS, EOS)))
    monkeypatch.chdir(file.parent)
    assert vmfuzz(monkeypatch, "strip", str(file), "-o", "out", "--keep", "pc.ram:0+1") == 2
    assert "(ram.pc.ram+0x0): expected a page sent before, which XBZRLE changes, found none" in capsys.readouterr().err
    assert [path.name for path in file.parent.iterdir()] == ["stream"]
