"""All that is wrong with a stream, whoever found it: the readers of frames, of packages, of payloads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vmformat.command import Cmd, Command
from vmformat.section import Section
from vmformat.stream import package_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmformat.errors import Fault
    from vmformat.records import Record
    from vmformat.schema import Schemas
    from vmformat.stream import Stream

_DEEPEST: Final = 16
"""Packages in packages deeper than this are not looked into: streams may nest them by the thousand."""


def every_fault(stream: Stream, schemas: Schemas | None = None) -> tuple[Fault, ...]:
    """The faults of a stream that was read tolerantly, and of all payloads and packages in it, by offset.

    `schemas`: for what stands in packages. Payloads are read for this: it takes as long as showing the stream does.
    """
    found = [*stream.faults]
    if stream.configuration is not None:
        known = {fault.offset for fault in found}
        found += [fault for fault in stream.configuration.faults if fault.offset not in known]
    found += _inside(stream, stream.records, schemas, 0)
    return tuple(sorted(dict.fromkeys(found), key=lambda fault: fault.offset))


def _inside(stream: Stream, records: Sequence[Record], schemas: Schemas | None, depth: int) -> Iterator[Fault]:
    for record in records:
        if isinstance(record, Section):
            yield from record.faults
        elif isinstance(record, Command) and record.cmd == Cmd.PACKAGED and depth < _DEEPEST:
            faults: list[Fault] = []
            inner = package_records(stream, record, schemas, faults=faults)
            yield from faults
            yield from _inside(stream, inner, schemas, depth + 1)
