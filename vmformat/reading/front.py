"""What stands before the records: the header and the configuration (facts: stream.md 1.2, 1.5)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from vmformat import framing
from vmformat.configuration import Configuration
from vmformat.errors import Fault, StreamError
from vmformat.framing import Kind
from vmformat.reading.resync import next_record
from vmformat.records import Header

if TYPE_CHECKING:
    from vmformat.source import Source

SIZE: Final = 8
"""Bytes of a header."""
_WINDOW: Final = 1 << 20
"""Bytes in which a configuration must end, in a source that is not all in memory."""

_HEAD: Final = 300
"""Bytes in which the head of a record ends."""


def front(
    data: Source, *, configuration: bool | None, faults: list[Fault] | None = None
) -> tuple[int, bytes, Header, Configuration | None]:
    """Where the records begin, what stands before the header, the header, the configuration.

    Raises StreamError; with a list for `faults` it never does (see `stream.read`).
    """
    start = _header(data, faults)
    if start is None:
        return 0, b"", Header(0, b""), None
    leading, head = data[:start], data[start : start + SIZE]
    at = start + SIZE
    header = Header(int.from_bytes(head[4:], "big"), head[:4])
    config = None
    byte = data[at : at + 1]
    if configuration and byte != bytes([Kind.CONFIGURATION]):
        fault = Fault(at, "configuration", "07", byte.hex() or "the end of the stream")
        if faults is None:
            raise fault.error
        faults.append(fault)
    elif configuration is not False and byte == bytes([Kind.CONFIGURATION]):
        config = _configuration(data, at, faults)
        at += 1 + len(config.payload)
    return at, leading, header, config


def _header(data: Source, faults: list[Fault] | None) -> int | None:
    """Where the header begins: at once, for a strict reader; None if there is none."""
    window = data[:SIZE]
    fault = None
    if len(window) < SIZE:
        try:
            framing.parse(framing.HEADER, io.BytesIO(window), "header")
        except StreamError as error:
            fault = error.fault
    elif window[:4] != framing.MAGIC:
        fault = Fault(0, "header.magic", framing.MAGIC.hex(" "), window[:4].hex(" "))
    elif int.from_bytes(window[4:], "big") != framing.VERSION:
        found = str(int.from_bytes(window[4:], "big"))
        fault = Fault(4, "header.version", str(framing.VERSION), found)
    if fault is None:
        return 0
    if faults is None:
        raise fault.error
    faults.append(fault)
    # A container's own header may stand before it (libvirt's saved guests), or its own bytes are damaged.
    whole = framing.MAGIC + framing.VERSION.to_bytes(4, "big")
    at = data.find(whole, 0)
    if at > 0:
        return at
    if len(window) < SIZE:
        return None
    followed = data[SIZE : SIZE + 1] == bytes([Kind.CONFIGURATION]) or next_record(data, SIZE, SIZE + _HEAD) == SIZE
    return 0 if followed or window[4:] == whole[4:] or window[:4] == framing.MAGIC else None


def _configuration(data: Source, at: int, faults: list[Fault] | None) -> Configuration:
    """The configuration; one that cannot be read goes on to where a record seems to begin."""
    window = data if isinstance(data, bytes) else data[: at + _WINDOW]
    try:
        return Configuration.read(window, at)
    except StreamError as error:
        if faults is None:
            raise
        faults.append(error.fault)
        return Configuration(data[at + 1 : next_record(data, at + 1)], at)
