"""Small inputs to begin with: a stream of 5 KB is read a hundred times while one of 500 KB is read once.

Made of a machine's real seeds: each section by itself, and with another one, without what makes virtio sections long
(arrays over 1024 queues); with and without a VMDESCRIPTION, footers, a package around them. Beside them hostile streams
and bytes that are no stream at all. Deterministic: the same seeds give the same inputs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fuzz.mutate.hostile import FAMILIES
from vmformat import (
    Cmd,
    Command,
    Eof,
    Kind,
    Section,
    Stream,
    StreamError,
    describe_itself,
    encode,
    pack,
    read,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vmformat import Record, Schemas

MOST_BYTES: Final = 6 << 10
"""Longest section that is kept."""

MAX_SIZE: Final = 16 << 10
"""Longest mutant worth making of these."""

_LONG: Final = ("virtio/virtqueues", "virtio/ringsize", "virtio/extra_state", "virtio/packed_virtqueues")

RAW: Final = (b"", b"Q", b"QEVM", b"QEVM\0\0\0\3", b"QEVM\0\0\0\2\7", bytes(64), bytes(range(256)), b"\xff" * 64)
"""What is hardly a stream."""


def small_inputs(seeds: Iterable[bytes], schemas: Schemas | None = None) -> tuple[bytes, ...]:
    """The inputs made of these seeds, no two alike, those of the first seeds first."""
    found: dict[bytes, None] = {}
    for data in seeds:
        try:
            stream = read(data, schemas)
        except StreamError:
            continue
        found.update(dict.fromkeys(_of_stream(stream)))
    found.update(dict.fromkeys(family(n) for family in FAMILIES.values() for n in (1, 3)))
    found.update(dict.fromkeys(RAW))
    return tuple(data for data in found if len(data) <= MAX_SIZE)


def _of_stream(stream: Stream) -> Iterator[bytes]:
    sections = [short for section in stream.sections if (short := _short(section)) is not None]
    kinds: dict[str, Section] = {}
    for section in sections:
        kinds.setdefault(f"{section.name.rpartition('/')[2]}:{section.kind}", section)
    chosen = [*kinds.values()]
    for i, section in enumerate(chosen):
        other = chosen[i - 1]
        alone = _with(stream, section)
        yield write(alone)
        match i % 4:
            case 0:
                yield write(describe_itself(_with(stream, section, other)))
            case 1:
                yield write(describe_itself(_with(stream, *(replace(s, footer=None) for s in (section, other)))))
            case 2:
                yield write(_packed(stream, section, other))
            case _:
                yield write(replace(_with(stream, section, other), configuration=None))


def _with(stream: Stream, *records: Record) -> Stream:
    return replace(stream, records=(*records, Eof()), trailing=b"")


def _packed(stream: Stream, *records: Record) -> Stream:
    """As postcopy sends them."""
    package = pack((Command(Cmd.POSTCOPY_LISTEN), *records, Command(Cmd.POSTCOPY_RUN)))
    return _with(stream, Command(Cmd.OPEN_RETURN_PATH), Command.ping(1), package)


def _short(section: Section) -> Section | None:
    """The section without its long arrays, None if it is long all the same."""
    if len(section.buffer) > MOST_BYTES and section.layout is not None and section.kind is Kind.FULL:
        tree, fault = section.read_payload()
        if fault is None:
            payload = encode(section.layout, _without(tree.values()), section.version)
            section = replace(section, payload=payload)
    return section if len(section.buffer) <= MOST_BYTES else None


def _without(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    return {name: _without(value) for name, value in values.items() if name not in _LONG}
