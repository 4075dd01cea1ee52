"""What stands behind the outermost EOF: a VMDESCRIPTION, or bytes that no loader reads (facts: stream.md 1.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vmformat import vmdescription
from vmformat.command import Cmd, Command
from vmformat.errors import Fault, StreamError
from vmformat.framing import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmformat.records import Record

_HEAD: Final = 5


def judge(trailing: bytes, offset: int, records: Sequence[Record]) -> Iterator[Fault]:
    """What is wrong with it. `offset` is where it begins; `records` stand before it.

    Where a COLO session goes on behind the EOF nothing is.
    """
    if not trailing or any(isinstance(r, Command) and r.cmd == Cmd.ENABLE_COLO for r in records):
        return
    if trailing[0] != Kind.VMDESCRIPTION:
        yield Fault(offset, "", "a VMDESCRIPTION or the end of the stream", f"{len(trailing)} bytes more")
        return
    found = int.from_bytes(trailing[1:_HEAD], "big")
    text = trailing[_HEAD : _HEAD + found]
    if len(trailing) < _HEAD or len(text) < found:
        there = f"{max(len(trailing) - _HEAD, 0)} to the end of the stream"
        yield Fault(offset + 1, "vmdescription.length", f"{found} bytes", there)
    else:
        try:
            vmdescription.parse(text, offset + _HEAD)
        except StreamError as error:
            yield error.fault
    rest = len(trailing) - _HEAD - found
    if rest > 0:
        yield Fault(offset + _HEAD + found, "", "the end of the stream", f"{rest} bytes more")
