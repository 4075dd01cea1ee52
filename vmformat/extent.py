"""Where a section's payload ends: the stream does not say.

Asked in this order: the RAM records themselves; the schema, if one is known; for virtio the shapes that the bytes
allow; last, the bytes `7e` + section id with a legal record behind them. An answer counts if what follows it is right:
the footer with the section's id, or, where footers are not used, a legal record. So a schema that does not fit a
payload (another machine's, or a mutant's) does harm only where footers are missing too.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from vmformat.errors import StreamError
from vmformat.framing import NAMED, RECORDS, Kind
from vmformat.guess import is_large, is_opaque, section_guesses
from vmformat.plan import measure
from vmformat.ram_context import RamContext
from vmformat.ram_walk import fitting, measure_ram
from vmformat.tree import end_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmformat.schema import Schema

_FOOTER: Final = 5


def find_end(
    data: bytes,
    start: int,
    *,
    section_id: int,
    name: str,
    version: int,
    schema: Schema | None,
    footers: bool | None,
    seen: bool | None = None,
    shared: bool = False,
    trust: bool = True,
) -> tuple[int, bool]:
    """The offset behind the payload that begins at `start`, and whether only its footer told.

    `footers`: whether sections have them; None: as the bytes show, `seen` being what the sections before had. `shared`:
    capability x-ignore-shared, with which RAM blocks are listed with an address. `trust`: payloads are worth being
    measured; a caller that met many that were not should look for footers at once, because each failure may take a
    walk over all the rest. Raises StreamError if nothing fits.
    """
    error: StreamError | None = None
    bare: int | None = None  # an end with a record right behind it
    wrong: int | None = None  # an end with a footer that has another section's id
    other: int | None = None  # an end with neither
    for measuring in _ways(data, start, name, version, schema, shared=shared) if trust or footers is False else ():
        try:
            end = measuring()
        except StreamError as failed:
            error = error or failed
            continue
        if footers is not False and data[end : end + 1] == b"\x7e":
            if data[end + 1 : end + _FOOTER] == section_id.to_bytes(4, "big") and _record_at(data, end + _FOOTER):
                return end, False
            if end + _FOOTER <= len(data) and wrong is None and _record_at(data, end + _FOOTER):
                wrong = end
        elif not footers and end < len(data) and _record_at(data, end):
            if footers is False or seen is False:
                return end, False
            bare = end if bare is None else bare
        other = end if other is None else other
    failed_ways = error is not None or other is not None
    if wrong is not None:
        return wrong, False
    found = None if footers is False else _scan(data, start, section_id)
    if found is not None:
        return found, failed_ways
    if bare is not None:
        return bare, False
    if error is not None:
        raise error
    if other is not None:
        what = f"byte {data[other]:#04x}" if other < len(data) else "the end of the stream"
        raise StreamError(other, name, f"the footer of section {section_id}", what)
    raise StreamError(start, name, "a payload whose end can be told", "no schema, and no footer behind it")


def _ways(
    data: bytes, start: int, name: str, version: int, schema: Schema | None, *, shared: bool
) -> Iterator[Callable[[], int]]:
    """Ways to find the end, likely ones first."""
    if name == "ram":
        context = RamContext(ignore_shared=shared)
        yield partial(measure_ram, data, start, context)
        other = fitting(data, start, context)
        if other != context:
            yield partial(measure_ram, data, start, other)
        return
    if schema is not None:
        yield partial(end_of if is_large(schema) else measure, schema, data, start, version)
    if schema is None or is_opaque(schema):
        for guessed in section_guesses(name, data, start):
            yield partial(end_of, guessed, data, start, version)


def _record_at(data: bytes, at: int) -> bool:
    """Whether a record may begin here (the end of the data is for others to complain about)."""
    if at >= len(data):
        return True
    kind = data[at]
    if kind in NAMED:
        name = data[at + 6 : at + 6 + data[at + 5]] if at + 6 <= len(data) else b""
        return at + 6 > len(data) or (data[at + 5] > 0 and name.isascii())
    return kind in RECORDS


def _scan(data: bytes, start: int, section_id: int) -> int | None:
    mark = bytes([Kind.FOOTER]) + section_id.to_bytes(4, "big")
    at = data.find(mark, start)
    while at >= 0:
        if _record_at(data, at + _FOOTER):
            return at
        at = data.find(mark, at + 1)
    return None
