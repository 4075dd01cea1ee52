"""A COLO session as records: what each message behind the end of a stream carries (facts: stream.md 1.9).

The bytes are those of `channel.checkpoints`; here they are read as the main loop's records they are, with the stream's
own schemas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmformat.channels import colo
from vmformat.channels.channel import checkpoints
from vmformat.command import Command
from vmformat.errors import StreamError
from vmformat.stream import package_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.errors import Fault
    from vmformat.records import Record
    from vmformat.schema import Schemas
    from vmformat.stream import Stream


@dataclass(frozen=True, slots=True)
class Moment:
    """A message, and the records that follow it: the RAM of a checkpoint, or its devices.

    `offset` and `size` (bytes) are those of all of it, `head` the bytes before the records. `title` is its name.
    """

    offset: int
    size: int
    head: int
    title: str
    records: tuple[Record, ...]


def moments(stream: Stream, schemas: Schemas | None = None, *, faults: list[Fault] | None = None) -> Iterator[Moment]:
    """The session behind a stream, message by message; none for a stream without one.

    What is no message ends it, and is added to `faults` if given. Then records are read tolerantly; else those that
    cannot be read are none.
    """
    channel = checkpoints(stream)
    if channel is None:
        return
    for node in channel.records():
        if node.value is not None:
            break
        children = node.children
        head = children[0].size + (8 if len(children) > 2 else 0)
        records: tuple[Record, ...] = ()
        if len(children) > 1:
            start = node.offset - channel.offset + head
            data = bytes(channel.data[start : start + node.size - head])
            package = Command.packaged(data)
            package = Command(package.cmd, package.payload, data, b"", node.offset + head, node.offset + head)
            try:
                records = package_records(stream, package, schemas, faults=faults)
            except StreamError:
                records = ()
        number = children[0].value
        yield Moment(node.offset, node.size, head, colo.title(number if isinstance(number, int) else 0), records)
    fault = channel.fault
    if fault is not None and faults is not None:
        faults.append(fault)
