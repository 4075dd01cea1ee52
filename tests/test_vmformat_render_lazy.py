"""Streams whose RAM nobody has looked at: shown as such, read only by what asks for RAM."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import vmformat
from fuzz.corpus import find_stream
from vmformat import Span
from vmformat.render import Detail, json_pieces, lines, plain
from vmformat.render.pieces import Pieces
from vmformat.render.ram import Ram
from vmformat.render.sizes import shares

if TYPE_CHECKING:
    from pathlib import Path

    from vmformat import Stream

NAME = "linux-pc/after"


@pytest.fixture(scope="module")
def path() -> Path:
    return find_stream(NAME)


@pytest.fixture(scope="module")
def lazy(path: Path) -> Stream:
    stream = vmformat.open(path, large=0)
    assert any(isinstance(record, Span) for record in stream.records)
    return stream


def test_the_stretch_is_one_line(lazy: Stream) -> None:
    shown = [line for line in lines(lazy) if "not looked at" in line]
    assert len(shown) == 1
    assert " RAM " in shown[0]


def test_the_rest_is_as_if_all_had_been_read(lazy: Stream, path: Path) -> None:
    def devices(stream: Stream) -> list[str]:
        return [line for line in lines(stream, detail=Detail(flat=True)) if "@" in line]

    assert devices(lazy) == devices(vmformat.open(path))


def test_ram_is_read_when_it_is_asked_for(lazy: Stream, path: Path) -> None:
    assert list(plain(Ram(lazy).lines())) == list(plain(Ram(vmformat.open(path)).lines()))


def test_json_says_how_large_the_stretch_is(lazy: Stream) -> None:
    document = json.loads("".join(json_pieces(lazy)))
    (span,) = (record for record in document["records"] if record["kind"] == "SPAN")
    assert span["size"] == next(record.size for record in lazy.records if isinstance(record, Span))


def test_sizes_and_pieces_count_it(lazy: Stream, path: Path) -> None:
    size = path.stat().st_size
    assert sum(part.size for part in shares(lazy)) == size
    assert sum(piece.size for piece in Pieces(lazy, None, Detail()).all()) == size
