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

_PIECES: Final = 256
"""Pieces that a run of bytes is cut into at most: each costs a load."""


def opaque(work: Work) -> None:
    """Gaps between records; payloads, or ends of them, that no schema explains; what `ram` could not read."""
    for index, record in enumerate(work.stream.records):
        if isinstance(record, Gap) and index < len(work.stream.records) and work.stream.records[index] == record:
            base = work.stream
            _bytes(
                record.data,
                lambda data, base=base, index=index: work.written(base.replace_record(index, Gap(data))),  # type: ignore[misc]
            )
    for place, section in work.sections():
        start = _named_until(section)
        if start is None:
            continue
        base, payload = work.stream, section.payload
        _bytes(
            payload[start:],
            lambda data, base=base, place=place, section=section, head=payload[:start]: work.payload(  # type: ignore[misc]
                base, place, section, head + data
            ),
        )


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
