"""The pass `opaque`: bytes that nobody can name, as many as are needed and as many zeros as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.shrink.ddmin import ddmin
from fuzz.shrink.numbers import toward
from vmformat import Gap
from vmformat.iterable.payloads import ITERABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.shrink.work import Work
    from vmformat import Section
    from vmformat.paths import Place

_PIECES: Final = 256
"""Pieces that a run of bytes is cut into at most: each costs a load."""


def opaque(work: Work) -> None:
    """Gaps between records; payloads, or ends of them, that no schema explains; what `ram` could not read."""
    for index, record in enumerate(work.stream.records):
        if isinstance(record, Gap):
            _gap(work, index, record)
    for place, section in work.sections():
        start = _named_until(section)
        if start is not None:
            _payload(work, place, section, start)


def _gap(work: Work, index: int, gap: Gap) -> None:
    base = work.stream
    if index < len(base.records) and base.records[index] == gap:  # else a change before it has moved it
        _bytes(gap.data, lambda data: work.written(base.replace_record(index, Gap(data))))


def _payload(work: Work, place: Place, section: Section, start: int) -> None:
    base, head = work.stream, section.payload[:start]
    _bytes(section.payload[start:], lambda data: work.payload(base, place, section, head + data))


def _named_until(section: Section) -> int | None:
    """Bytes of a payload that have names; None if all have."""
    tree, fault = section.read_payload()
    if section.name in ITERABLE:
        rest = next((node for node in tree.children if node.name == "@rest"), None)
        return None if rest is None else rest.offset - section.payload_offset
    nodes = tree.children
    if nodes and nodes[-1].name in {"@rest", "payload"} and (fault is not None or section.layout is None):
        return nodes[-1].offset - section.payload_offset
    return None


def _bytes(data: bytes, holds: Callable[[bytes], bool]) -> None:
    """Fewer bytes, then zeros."""
    chunk = max(len(data) // _PIECES, 1)
    pieces = [data[i : i + chunk] for i in range(0, len(data), chunk)]
    left = b"".join(ddmin(pieces, lambda kept: holds(b"".join(kept))))
    if len(left) <= _PIECES:
        toward(left, bytes(len(left)), holds)
