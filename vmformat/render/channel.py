"""A side channel as lines or as JSON: a record each, and what is in it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from vmformat.render.detail import Detail
from vmformat.render.fields import BLANK, Place, field_lines, offset_text
from vmformat.render.json import closing, dump, nodes
from vmformat.render.line import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.channels.channel import Channel
    from vmformat.node import Node
    from vmformat.render.line import Line
    from vmformat.schema import Json


def channel_lines(channel: Channel, detail: Detail | None = None) -> Iterator[Line]:
    """The records, as many as `detail` has room for elements, and how many there are more."""
    detail = detail or Detail()
    records = channel.records()
    for record in islice(records, detail.limit):
        yield from _record_lines(channel, record, detail)
    more = sum(1 for _ in records)
    if more:
        yield (("note", f"{BLANK} and {plural(more, 'record')} more (--all shows them)"),)


def _record_lines(channel: Channel, record: Node, detail: Detail) -> Iterator[Line]:
    bad = record.value is not None
    yield (
        ("offset", offset_text(record.offset)),
        ("plain", " "),
        ("note", record.name),
        ("plain", " "),
        ("fault" if bad else "kind", channel.title(record)),
        ("plain", f", {plural(record.size, 'byte')}"),
    )
    if detail.depth != 0:
        prefix = f"{channel.kind}{record.name}."
        yield from field_lines([record] if bad else record.children, Place(channel.kind, prefix), detail)


def channel_json(channel: Channel) -> Iterator[str]:
    """`{"kind": "multifd", "records": [{"title": "hello", "offset": 0, "size": 64, "fields": []}], "faults": []}`."""
    yield f'{{"kind": {dump(channel.kind)}, "records": ['
    for i, record in enumerate(channel.records()):
        head: dict[str, Json] = {"title": channel.title(record), "offset": record.offset, "size": record.size}
        yield f'{"," if i else ""}\n{dump(head)[:-1]}, "fields": '
        yield from nodes([record] if record.value is not None else record.children, channel.kind)
        yield "}"
    yield "\n]"
    fault = channel.fault
    yield closing([] if fault is None else [fault])
