"""The passes over what stands around the records: VMDESCRIPTION, configuration, what is behind the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fuzz.shrink.ddmin import ddmin
from vmformat import Configuration, Eof, StreamError
from vmformat.configuration import SCHEMA
from vmformat.tree import encode

if TYPE_CHECKING:
    from fuzz.shrink.work import Work

_COARSE = 64


def description(work: Work) -> None:
    """Leave out the VMDESCRIPTION, and all else that no loader reads: before the header and behind the last EOF."""
    stream = work.stream
    if stream.leading:
        work.written(replace(stream, leading=b""))
    trailing = work.stream.trailing
    if trailing and not work.written(replace(work.stream, trailing=b"")):
        base = work.stream
        ddmin(trailing, lambda kept: work.written(replace(base, trailing=bytes(kept))), smallest=_chunk(len(trailing)))


def configuration(work: Work) -> None:
    """No subsection, no capability, and the machine's own name: the shortest that the destination takes."""
    stream = work.stream
    found = stream.configuration
    if found is None:
        return
    plain = Configuration.build(work.machine.description.machine)
    if len(plain.payload) <= len(found.payload) and work.written(replace(stream, configuration=plain)):
        return
    values = found.tree.values()
    if found.faults or not isinstance(values, dict):
        return
    names = [name for name in values if "/" in name]

    def holds(kept: tuple[str, ...]) -> bool:
        fewer = {name: value for name, value in values.items() if "/" not in name or name in kept}
        try:
            payload = encode(SCHEMA, fewer)
        except StreamError:
            return False
        return work.written(replace(stream, configuration=Configuration(payload)))

    ddmin(names, holds)


def tail(work: Work) -> None:
    """Of a stream that must not have its EOF, cut off what stands behind the last byte that matters."""
    if any(isinstance(record, Eof) for record in work.stream.records):
        return
    size = len(work.best.data) // 2
    while size:
        while size <= len(work.best.data) and work.data(work.best.data[:-size]):
            pass
        size //= 2


def _chunk(size: int) -> int:
    """Bytes that go at once, so that there are some hundred questions and not one for each byte."""
    return max(size // _COARSE, 1)
