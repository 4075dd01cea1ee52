"""Where a section's payload ends: the stream does not say.

Asked in this order: the RAM records themselves; the schema, if one is known; for virtio the shapes that the bytes
allow; last, the bytes `7e` + section id with a legal record behind them. An answer counts if what follows it is right:
the footer with the section's id, or, where footers are not used, a record (one that can be told by more than a single
byte before any other; where nothing fits, the next such record is taken). So a schema that does not fit a
payload (another machine's, or a mutant's) does harm only where footers are missing too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from vmformat.errors import StreamError
from vmformat.framing import FOOTER_SIZE, NAMED, RECORDS, Kind
from vmformat.iterable.payloads import ITERABLE, measure_records
from vmformat.ram.walk import fitting, measure_ram
from vmformat.reading.guess import alternatives, has_free, is_opaque, is_unsized
from vmformat.reading.resync import begins, next_record
from vmformat.schema import Schema
from vmformat.tree import end_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmformat.ram.context import RamContext
    from vmformat.source import Source

_WINDOW: Final = 1 << 20
"""Bytes of a source that are looked at together; as many more as it takes."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a payload ends, what told (a schema, of RAM a context; None if neither did), and whether others failed."""

    end: int
    told: Schema | RamContext | None
    failed: bool


@dataclass(frozen=True, slots=True)
class Payload:
    """What is known of a payload before its end is: where it begins, its section's id, name and version.

    `schemas` are those it may have, likely ones first; `told` if the stream or the caller says so, not the store.
    `context`: how RAM is to be read.
    """

    start: int
    section_id: int
    name: str
    version: int
    schemas: tuple[Schema, ...]
    context: RamContext
    told: bool = False


def find_end(
    data: Source,
    payload: Payload,
    *,
    footers: bool | None,
    seen: bool | None = None,
    trust: bool = True,
    within: int | None = None,
) -> Extent:
    """The end of a payload.

    `footers`: whether sections have them; None: as the bytes show, `seen` being what the sections before had. `trust`:
    payloads are worth being measured; a caller that met many that were not should look for footers at once, because
    each failure may take a walk over all the rest; so may a footer that is not there: it is looked for up to `within`.
    Raises StreamError if nothing fits.
    """
    start, section_id = payload.start, payload.section_id
    ends = _measured(data, payload, footers=footers, seen=seen) if trust else _Ends()
    best = ends.exact or ends.wrong
    if best is not None:
        return best
    found = None if footers is False else _scan(data, start, section_id, len(data) if within is None else within)
    if found is not None:
        return Extent(found, None, failed=ends.error is not None or ends.other is not None)
    if not ends.sure and (footers is False or seen is False):
        at = next_record(data, start, within)
        if at < len(data):
            return Extent(at, None, failed=True)
    if ends.bare is not None:
        return ends.bare
    if ends.error is not None:
        raise ends.error
    if ends.other is not None:
        what = f"byte {data[ends.other]:#04x}" if ends.other < len(data) else "the end of the stream"
        raise StreamError(ends.other, payload.name, f"the footer of section {section_id}", what)
    raise StreamError(start, payload.name, "a payload whose end can be told", "no schema, and no footer behind it")


@dataclass(slots=True)
class _Ends:
    """What measuring came to: each is the first of its kind.

    `exact`: what follows is as it must be. `wrong`: a footer with another section's id. `bare`: a record without a
    footer before it, `sure` if it looks like one by more than its first byte. `other`: neither.
    """

    exact: Extent | None = None
    wrong: Extent | None = None
    bare: Extent | None = None
    sure: bool = False
    other: int | None = None
    error: StreamError | None = None


def _measured(data: Source, payload: Payload, *, footers: bool | None, seen: bool | None) -> _Ends:
    ends = _Ends()
    mark = payload.section_id.to_bytes(4, "big")
    for means, measuring in _ways(data, payload):
        try:
            end = measuring()
        except StreamError as failed:
            ends.error = ends.error or failed
            continue
        told = Extent(end, means, failed=False)
        if footers is not False and data[end : end + 1] == b"\x7e":
            if data[end + 1 : end + FOOTER_SIZE] == mark:
                ends.exact = told
                return ends
            if end + FOOTER_SIZE <= len(data) and ends.wrong is None and _record_at(data, end + FOOTER_SIZE):
                ends.wrong = told
        elif not footers and end < len(data) and _record_at(data, end):
            # Nothing tells the end of such a payload but what follows: a zero is an EOF, and most of what is in here.
            sure = begins(data, end)
            if sure and (footers is False or seen is False):
                ends.exact = told
                return ends
            if sure and not ends.sure:
                ends.bare, ends.sure = told, True
            elif ends.bare is None and (not seen or _known(payload, means)):
                ends.bare = told
        ends.other = end if ends.other is None else ends.other
    return ends


def _known(payload: Payload, means: Schema | RamContext | None) -> bool:
    """Whether what told an end says so with certainty: no guess, and no schema of another machine."""
    return means is not None and (payload.told and isinstance(means, Schema) and not is_opaque(means))


def _ways(data: Source, payload: Payload) -> Iterator[tuple[Schema | RamContext | None, Callable[[], int]]]:
    """Ways to find the end, likely ones first, each with the schema or context that it stands for."""
    start, name, version = payload.start, payload.name, payload.version
    if name == "ram":
        context = payload.context
        yield context, partial(measure_ram, data, start, context)
        other = fitting(data, start, context)
        if other != context:
            yield other, partial(measure_ram, data, start, other)
        return
    if name in ITERABLE and not payload.schemas:
        yield None, partial(measure_records, name, data, start)
        return
    for schema in payload.schemas:
        if is_unsized(schema):
            continue
        yield schema, partial(_windowed, end_of, schema, data, start, version)
    known: tuple[Schema | None, ...] = payload.schemas or (None,)
    for place, likely in enumerate(known):
        if likely is not None and not has_free(likely) and (place or not is_opaque(likely)):
            continue
        window = data if isinstance(data, bytes) else data[start : start + _WINDOW]
        for guessed in alternatives(likely, name, window, start if window is data else 0):
            yield likely, partial(_windowed, end_of, guessed, data, start, version)


def _windowed(how: Callable[..., int], schema: Schema, data: Source, start: int, version: int) -> int:
    """`how` over bytes: a source that is none is looked at through a window, which grows until the end lies in it."""
    if isinstance(data, bytes):
        return how(schema, data, start, version)
    size = _WINDOW
    while True:
        window = data[start : start + size]
        try:
            return start + how(schema, window, 0, version)
        except StreamError as error:
            if start + size < len(data) and error.offset >= len(window) - 1:
                size *= 8
                continue
            raise StreamError(start + error.offset, error.path, error.expected, error.found) from None


def _record_at(data: Source, at: int) -> bool:
    """Whether a record may begin here (the end of the data is for others to complain about)."""
    if at >= len(data):
        return True
    kind = data[at]
    if kind in NAMED:
        name = data[at + 6 : at + 6 + data[at + 5]] if at + 6 <= len(data) else b""
        return at + 6 > len(data) or (data[at + 5] > 0 and name.isascii())
    return kind in RECORDS


def _scan(data: Source, start: int, section_id: int, stop: int) -> int | None:
    """The first footer of that section with a record behind it, else the first one at all."""
    mark = bytes([Kind.FOOTER]) + section_id.to_bytes(4, "big")
    at = first = data.find(mark, start, stop)
    while at >= 0:
        if _record_at(data, at + FOOTER_SIZE):
            return at
        at = data.find(mark, at + 1, stop)
    return None if first < 0 else first
