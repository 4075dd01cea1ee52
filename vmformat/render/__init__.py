"""What a stream looks like to a person (lines of text) and to a program (JSON). Nothing here knows terminals."""

from __future__ import annotations

from json import loads
from typing import TYPE_CHECKING

from vmformat.render.detail import Detail
from vmformat.render.fields import plain
from vmformat.render.hints import hints
from vmformat.render.json import to_json as json_pieces
from vmformat.render.line import Line, Part, Style, text
from vmformat.render.records import Records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.schema import Json, Schemas
    from vmformat.stream import Stream

__all__ = ["Detail", "Line", "Part", "Records", "Style", "hints", "json_pieces", "lines", "plain", "text", "to_json"]


def lines(stream: Stream, schemas: Schemas | None = None, detail: Detail | None = None) -> Iterator[str]:
    """The stream as text. `schemas`: for what stands in packages."""
    return plain(Records(stream, schemas, detail).lines())


def to_json(stream: Stream, schemas: Schemas | None = None) -> dict[str, Json]:
    """The stream as plain values: the whole document of `json` at once."""
    value: dict[str, Json] = loads("".join(json_pieces(stream, schemas)))
    return value
