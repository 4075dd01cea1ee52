"""The shared corpus: whole entries, each once, peers' found, damage put right."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from fuzz.campaign.shelf import Shelf, name_of, repair

if TYPE_CHECKING:
    from pathlib import Path


def test_two_workers_share_what_they_keep(tmp_path: Path) -> None:
    one, other = Shelf(tmp_path), Shelf(tmp_path)
    assert one.keep(b"longer")
    assert not one.keep(b"longer")
    assert one.unseen() == []
    assert [path.read_bytes() for path in other.unseen()] == [b"longer"]
    assert not other.keep(b"longer")
    assert other.keep(b"abc")
    assert other.keep(b"de")
    assert [path.read_bytes() for path in one.unseen()] == [b"de", b"abc"]
    assert one.unseen() == other.unseen() == []
    assert len(one) == len(other) == 3
    assert {entry.name for entry in tmp_path.iterdir()} == {name_of(data) for data in (b"longer", b"abc", b"de")}


def test_what_is_being_written_or_is_no_entry_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / f".{name_of(b'x')}.abcdefgh").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("notes")
    assert Shelf(tmp_path).unseen() == []


@pytest.mark.parametrize(
    ("case", "name", "content", "kept", "lines"),
    [
        ("torn entry", hashlib.sha1(b"other").hexdigest(), b"half of it", True, 1),
        ("empty entry", hashlib.sha1(b"other").hexdigest(), b"", False, 1),
        ("put there by hand", "mine.vmstate", b"a stream", True, 1),
        ("being written when killed", f".{hashlib.sha1(b'o').hexdigest()}.abcd1234", b"half", False, 0),
    ],
)
def test_a_damaged_corpus_is_repaired(
    tmp_path: Path, case: str, name: str, content: bytes, kept: bool, lines: int
) -> None:
    whole = name_of(b"whole")
    (tmp_path / whole).write_bytes(b"whole")
    (tmp_path / name).write_bytes(content)
    said = repair(tmp_path)
    assert len(said) == lines, case
    assert all(str(tmp_path / name) in line for line in said)
    assert {entry.name for entry in tmp_path.iterdir()} == ({whole, name_of(content)} if kept else {whole})
    assert repair(tmp_path) == []


def test_beside_others_what_is_half_written_stays(tmp_path: Path) -> None:
    half = tmp_path / f".{name_of(b'o')}.abcd1234"
    half.write_bytes(b"half")
    assert repair(tmp_path, alone=False) == []
    assert half.exists()
