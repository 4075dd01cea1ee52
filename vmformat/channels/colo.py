"""COLO: checkpoint after checkpoint behind the end of a stream that has ENABLE_COLO (facts: stream.md 1.9).

    [i].message          a number, see `Message`
    [i].records[j]       of VMSTATE_SEND: the main loop's records up to its EOF, as a source sends them: ram sections
    [i].state            of VMSTATE_SIZE: device sections and an EOF, a stream without its header

The source sends requests, VMSTATE_SEND and VMSTATE_SIZE; the other messages come from the destination, on the way back.
What is in a checkpoint's ram records or device sections is read by those who read streams: `vmstates` gives each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from vmformat.errors import StreamError
from vmformat.framing import Kind
from vmformat.iterable.rows import Cutter, Row, number, raw, reject_others
from vmformat.node import Node
from vmformat.ram.context import RamContext
from vmformat.ram.walk import measure_ram

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vmformat.ram.walk import Sliced


class Message(IntEnum):
    """Numbers of messages."""

    CHECKPOINT_READY = 0
    CHECKPOINT_REQUEST = 1
    CHECKPOINT_REPLY = 2
    VMSTATE_SEND = 3
    VMSTATE_SIZE = 4
    VMSTATE_RECEIVED = 5
    VMSTATE_LOADED = 6


_HEAD: Final = 5
_FOOTER: Final = 5


@dataclass(frozen=True, slots=True)
class ColoForm:
    """`_records.Form` of what follows the stream; the records in it are of the stream's own ram sections."""

    context: RamContext

    def rows(self, data: Sliced, at: int, end: int) -> Iterator[Row]:
        """A message each, with all that follows it."""
        while at < end:
            start = at
            message = int.from_bytes(data[at : at + 4], "big")
            at += 4
            if at <= end and message not in Message.__members__.values():
                raise StreamError(start, "colo.message", "a message, 0 to 6", str(message))
            if message == Message.VMSTATE_SEND:
                for record in self._records(data, at, end):
                    at = record[-1]
            elif message == Message.VMSTATE_SIZE:
                at += 8 + int.from_bytes(data[at : at + 8], "big")
            if at > end:
                raise StreamError(start, "colo", "a whole message", f"{end - start} bytes to the end")
            yield Row(start, 1, at)

    def _records(self, data: Sliced, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Records up to EOF: where each begins, its payload, the end of that, and of the record."""
        while True:
            kind = bytes(data[at : min(at + 1, end)])
            if not kind:
                raise StreamError(at, "colo", "more records", "the end of the data")
            if kind[0] == Kind.EOF:
                yield at, at + 1, at + 1, at + 1
                return
            if kind[0] not in {Kind.PART, Kind.END}:
                raise StreamError(at, "colo", "a ram section or the end", f"{kind[0]:#04x}")
            stop = behind = measure_ram(data, at + _HEAD, self.context, end)
            if bytes(data[stop : min(stop + 1, end)]) == bytes([Kind.FOOTER]):
                behind = stop + _FOOTER
            yield at, at + _HEAD, stop, behind
            at = behind

    def fields(self, data: Sliced, start: int, end: int, offset: int) -> tuple[Node, ...]:
        """The message, and what follows it."""
        cut = Cutter(data, start, offset)
        message = cut.number("message", 4)
        if message == Message.VMSTATE_SEND:
            records = []
            for i, (at, payload, stop, behind) in enumerate(self._records(data, cut.at, end)):
                inner = Cutter(data, at, offset)
                kind = inner.number("kind", 1)
                if kind != Kind.EOF:
                    inner.number("section_id", 4)
                    inner.buffer("payload", stop - payload)
                if behind > stop:
                    inner.buffer("footer", behind - stop)
                records.append(Node(f"[{i}]", "element", offset + at, behind - at, None, tuple(inner.nodes)))
            cut.nodes.append(Node("records", "array", offset + cut.at, end - cut.at, None, tuple(records)))
        elif message == Message.VMSTATE_SIZE:
            cut.buffer("state", cut.number("state@length", 8))
        return tuple(cut.nodes)

    def build(self, values: Mapping[str, Any]) -> bytes:
        """Raises what `_records.Form` says."""
        message = values["message"]
        known = {"message"}
        out = number(message, 4)
        if message == Message.VMSTATE_SEND:
            known.add("records")
            out += b"".join(map(self._build_record, values["records"]))
        elif message == Message.VMSTATE_SIZE:
            known.add("state")
            state = raw(values["state"])
            out += number(len(state), 8) + state
        reject_others(values, known)
        return out

    def _build_record(self, values: Mapping[str, Any]) -> bytes:
        kind = values["kind"]
        if kind == Kind.EOF:
            reject_others(values, {"kind"})
            return number(kind, 1)
        reject_others(values, {"kind", "section_id", "payload", "footer"})
        out = number(kind, 1) + number(values["section_id"], 4) + raw(values["payload"])
        return out + raw(values.get("footer", b""))


def vmstates(data: Sliced, context: RamContext | None = None) -> Iterator[tuple[int, bytes]]:
    """The device sections of each checkpoint: where they begin, and their bytes, which end with an EOF.

    Ends at the first thing that is no checkpoint; raises nothing.
    """
    form = ColoForm(context or RamContext())
    try:
        for row in form.rows(data, 0, len(data)):
            if int.from_bytes(data[row.start : row.start + 4], "big") == Message.VMSTATE_SIZE:
                yield row.start + 12, bytes(data[row.start + 12 : row.end])
    except StreamError:
        return


def title(message: int) -> str:
    """A message's name, or its number."""
    try:
        return Message(message).name
    except ValueError:
        return f"message {message}"
