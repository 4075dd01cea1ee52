"""The return path: what a destination tells the source while it loads (facts: stream.md 1.10).

[i].type, [i]@length   a message's number, and the bytes of what follows (but for a bitmap's)
SHUT                   .error: 0 if all went well
PONG                   .cookie
REQ_PAGES_ID, REQ_PAGES    .start, .length (bytes in the block), .block where it is named
RECV_BITMAP            .block, .bitmap, .end_mark
RESUME_ACK             .value
others, and those of another length: .payload
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from vmformat.errors import StreamError
from vmformat.iterable.rows import Cutter, Row, counted, number, raw, reject_others

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vmformat.node import Node
    from vmformat.ram.walk import Sliced


class Message(IntEnum):
    """Numbers of messages. SWITCHOVER_ACK is of QEMU 8.1."""

    INVALID = 0
    SHUT = 1
    PONG = 2
    REQ_PAGES_ID = 3
    REQ_PAGES = 4
    RECV_BITMAP = 5
    RESUME_ACK = 6
    SWITCHOVER_ACK = 7


END_MARK: Final = 0x0123456789ABCDEF
"""Behind a bitmap."""

_NUMBERS: Final[dict[int, tuple[tuple[str, int], ...]]] = {
    Message.SHUT: (("error", 4),),
    Message.PONG: (("cookie", 4),),
    Message.REQ_PAGES_ID: (("start", 8), ("length", 4)),
    Message.REQ_PAGES: (("start", 8), ("length", 4)),
    Message.RECV_BITMAP: (),
    Message.RESUME_ACK: (("value", 4),),
    Message.SWITCHOVER_ACK: (),
}
"""What messages begin with: names and bytes."""
_NAMED: Final = frozenset({Message.REQ_PAGES_ID, Message.RECV_BITMAP})
_HEAD: Final = 4


@dataclass(frozen=True, slots=True)
class ReturnPathForm:
    """`_records.Form` of a return path. It ends where the data do."""

    def rows(self, data: Sliced, at: int, end: int) -> Iterator[Row]:
        """A message each."""
        while at < end:
            start = at
            head = bytes(data[at : min(at + _HEAD, end)])
            at += _HEAD + int.from_bytes(head[2:], "big")
            if int.from_bytes(head[:2], "big") == Message.RECV_BITMAP and at <= end:
                at += 16 + int.from_bytes(data[at : at + 8], "big")
            if at > end:
                raise StreamError(start, "return path", "a whole message", f"{end - start} bytes to the end")
            yield Row(start, 1, at)

    def fields(self, data: Sliced, start: int, end: int, offset: int) -> tuple[Node, ...]:
        """What the type says that it has, if the length lets it."""
        cut = Cutter(data, start, offset)
        type_ = cut.number("type", 2)
        size = cut.number("@length", 2)
        numbers = _NUMBERS.get(type_)
        fixed = sum(width for _, width in numbers or ())
        name = bytes(data[cut.at + fixed : cut.at + fixed + 1]) if type_ in _NAMED else b""
        told = fixed + (1 + name[0] if name else 0)
        if numbers is None or size != told or (type_ in _NAMED and size <= fixed):
            cut.buffer("payload", size)
        else:
            for field, width in numbers:
                cut.number(field, width)
            if type_ in _NAMED:
                cut.string("block")
        if type_ == Message.RECV_BITMAP:
            cut.buffer("bitmap", cut.number("bitmap@length", 8))
            cut.number("end_mark", 8)
        return tuple(cut.nodes)

    def build(self, values: Mapping[str, Any]) -> bytes:
        """Raises what `_records.Form` says."""
        type_ = values["type"]
        known = {"type", "payload"}
        numbers = _NUMBERS.get(type_)
        if "payload" in values or numbers is None:
            body = raw(values["payload"])
        else:
            known |= {name for name, _ in numbers}
            body = b"".join(number(values[name], width) for name, width in numbers)
            if type_ in _NAMED:
                known.add("block")
                body += counted(values["block"])
        tail = b""
        if type_ == Message.RECV_BITMAP:
            known |= {"bitmap", "end_mark"}
            bitmap = raw(values["bitmap"])
            tail = number(len(bitmap), 8) + bitmap + number(values["end_mark"], 8)
        reject_others(values, known)
        return number(type_, 2) + number(len(body), 2) + body + tail


def title(type_: int) -> str:
    """A message's name, or its number."""
    try:
        return Message(type_).name
    except ValueError:
        return f"message {type_}"
