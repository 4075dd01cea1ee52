"""The dirty-bitmap section: which clusters of which disks changed since when (facts: stream.md 5).

[i].flags            one byte, or two or four if the first bits say so
[i].device, .bitmap  names, where the flags say so
[i].granularity, .start_flags         of a bitmap that begins: bytes a bit stands for; 1 enabled, 2 persistent
[i].sector, .sectors, .data           bits of a stretch of sectors (512 bytes); no data if all are zero
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vmformat.errors import StreamError
from vmformat.iterable.rows import Cutter, Row, counted, number, raw, reject_others

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vmformat.node import Node
    from vmformat.ram.walk import Sliced

EOS: Final = 0x01
ZEROES: Final = 0x02
BITMAP_NAME: Final = 0x04
DEVICE_NAME: Final = 0x08
START: Final = 0x10
COMPLETE: Final = 0x20
BITS: Final = 0x40
_MORE: Final = 0x80


def _flags_size(data: Sliced, at: int) -> int:
    head = bytes(data[at : at + 2])
    if not head or not head[0] & _MORE:
        return 1
    return 4 if len(head) == 2 and head[1] & _MORE else 2


def _flags_bytes(flags: int) -> bytes:
    """Raises ValueError unless the flags say their own size."""
    for size in (1, 2, 4):
        if 0 <= flags < 1 << 8 * size:
            out = flags.to_bytes(size, "big")
            if _flags_size(out, 0) == size:
                return out
    raise ValueError(f"flags {flags:#x} do not say how many bytes they have")


@dataclass(frozen=True, slots=True)
class DirtyBitmapForm:
    """`_records.Form` of dirty-bitmap payloads."""

    def rows(self, data: Sliced, at: int, end: int) -> Iterator[Row]:
        """Ends with the record that has EOS."""
        while at < end:
            start = at
            size = _flags_size(data, at)
            flags = int.from_bytes(data[at : at + size], "big")
            at += size
            for name in (DEVICE_NAME, BITMAP_NAME):
                if flags & name:
                    at += 1 + int.from_bytes(data[at : at + 1], "big")
            if flags & START:
                at += 5
            elif not flags & COMPLETE and flags & BITS:
                at += 12
                if not flags & ZEROES:
                    at += 8 + int.from_bytes(data[at : at + 8], "big")
            if at > end:
                break
            yield Row(start, 1, at)
            if flags & EOS:
                return
        raise StreamError(min(at, end), "dirty-bitmap", "more bytes", "the end of the payload")

    def fields(self, data: Sliced, start: int, end: int, offset: int) -> tuple[Node, ...]:
        """What the flags say that it has."""
        cut = Cutter(data, start, offset)
        flags = cut.number("flags", _flags_size(data, start))
        if flags & DEVICE_NAME:
            cut.string("device")
        if flags & BITMAP_NAME:
            cut.string("bitmap")
        if flags & START:
            cut.number("granularity", 4)
            cut.number("start_flags", 1)
        elif not flags & COMPLETE and flags & BITS:
            cut.number("sector", 8)
            cut.number("sectors", 4)
            if not flags & ZEROES:
                cut.buffer("data", cut.number("data@length", 8))
        return tuple(cut.nodes)

    def build(self, values: Mapping[str, Any]) -> bytes:
        """Raises what `_records.Form` says."""
        flags = values["flags"]
        known = {"flags"}
        out = _flags_bytes(flags)
        for flag, name in ((DEVICE_NAME, "device"), (BITMAP_NAME, "bitmap")):
            if flags & flag:
                known.add(name)
                out += counted(values[name])
        if flags & START:
            known |= {"granularity", "start_flags"}
            out += number(values["granularity"], 4) + number(values["start_flags"], 1)
        elif not flags & COMPLETE and flags & BITS:
            known |= {"sector", "sectors"}
            out += number(values["sector"], 8) + number(values["sectors"], 4)
            if not flags & ZEROES:
                known.add("data")
                data = raw(values["data"])
                out += number(len(data), 8) + data
        reject_others(values, known)
        return out
