"""Bytes with the names of their fields: `07 01|10 00|01  command status revision`.

A bar stands before the first byte of each field but the first of a row, so that it can be read without colours;
with them, bytes and name of a field have the same one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vmformat.render.fields import BLANK, offset_text
from vmformat.render.line import clean, plural

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from vmformat.render.line import Line, Part, Style
    from vmformat.render.pieces import Piece

_STYLES: Final[tuple[Style, ...]] = ("byte0", "byte1", "byte2", "byte3", "byte4", "byte5")
_NARROW: Final = 110
"""Columns below which a row has 8 bytes."""

_MOST_NAME: Final = 40
_ZEROS: Final = re.compile(rb"\0*")
_LEAST_ZEROS: Final = 2
"""Rows of zeros that are folded."""


@dataclass(slots=True)
class _Row:
    offset: int = 0
    bytes: list[Part] = field(default_factory=list)
    names: list[Part] = field(default_factory=list)
    count: int = 0
    width: int = 0


def hex_lines(pieces: Iterable[Piece], width: int = 80, *, fold: bool = True) -> Iterator[Line]:
    """The rows. `width`: columns there are. `fold`: rows of zeros within a field take one line."""
    per_row = 16 if width >= _NARROW else 8
    room = width - len(BLANK) - 2 - 3 * per_row - 1
    row = _Row()
    record: object = None
    group = ""
    number = 0
    for piece in pieces:
        if (piece.record, piece.group) != (record, group):
            if row.count:
                yield _line(row, per_row)
                row = _Row()
            if piece.record != record or (not group and piece.name == "type"):
                yield ("offset", offset_text(piece.offset)), ("kind", f" {clean(piece.record, 1024)}")
            record, group = piece.record, piece.group
            if group:
                yield ("offset", BLANK), ("head", f"   {clean(group, 1024)}")
        name = clean(piece.name, _MOST_NAME)
        style = _STYLES[number % len(_STYLES)]
        number += 1
        if piece.folded:
            if row.count:
                yield _line(row, per_row)
                row = _Row()
            said = f"{piece.folded} ({plural(piece.size, 'byte')})"
            yield ("offset", offset_text(piece.offset)), ("note", "  *  "), (style, name), ("note", f": {said}")
            continue
        if row.count and row.width + len(name) + 1 > room:
            yield _line(row, per_row)
            row = _Row()
        row = yield from _bytes(piece, row, name, style, per_row, fold=fold)
    if row.count:
        yield _line(row, per_row)


def _bytes(
    piece: Piece, row: _Row, name: str, style: Style, per_row: int, *, fold: bool
) -> Generator[Line, None, _Row]:
    """The bytes of a piece; returns the row that is begun."""
    data, at, first = piece.data, 0, True
    while at < len(data):
        if row.count == per_row:
            yield _line(row, per_row)
            row = _Row()
        if not row.count:
            row.offset = piece.offset + at
            found = _ZEROS.match(data, at)
            zeros = (found.end() - at) // per_row if found is not None and fold and not first else 0
            if zeros >= _LEAST_ZEROS:
                count = zeros * per_row
                yield ("offset", offset_text(row.offset)), ("note", f"  *  {count} zero bytes")
                at += count
                continue
        chunk = data[at : at + per_row - row.count]
        row.bytes.append(("note" if first and row.count else "plain", "|" if first and row.count else " "))
        row.bytes.append((style, chunk.hex(" ")))
        if first:
            row.names.append(("plain", " "))
            row.names.append((style, name))
            row.width += len(name) + 1
        row.count += len(chunk)
        at += len(chunk)
        first = False
    return row


def _line(row: _Row, per_row: int) -> Line:
    pad = "   " * (per_row - row.count) + " "
    return (("offset", offset_text(row.offset)), ("plain", " "), *row.bytes, ("plain", pad), *row.names)
