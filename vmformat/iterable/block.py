"""The block section: disks that travel with the guest (facts: stream.md 5). QEMU 9.1 has it no more.

[i].sector_flags     the number of a sector (512 bytes) and flags in one; with PROGRESS a percentage in its place
[i].device, .data    of a block: the drive's name and a MiB, or no data for one of zeros
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

DEVICE_BLOCK: Final = 0x01
EOS: Final = 0x02
PROGRESS: Final = 0x04
ZERO_BLOCK: Final = 0x08
BLOCK: Final = 1 << 20
"""Bytes of a block."""

_FLAGS: Final = 511


@dataclass(frozen=True, slots=True)
class BlockForm:
    """`_records.Form` of block payloads."""

    def rows(self, data: Sliced, at: int, end: int) -> Iterator[Row]:
        """Ends with the record that has EOS."""
        while at + 8 <= end:
            start = at
            flags = int.from_bytes(data[at + 6 : at + 8], "big") & _FLAGS
            if not flags & (DEVICE_BLOCK | EOS | PROGRESS):
                raise StreamError(start, "block", "a block, progress or the end", f"flags {flags:#x}")
            at += 8
            if flags & DEVICE_BLOCK:
                at += 1 + int.from_bytes(data[at : at + 1], "big")
                if not flags & ZERO_BLOCK:
                    at += BLOCK
            if at > end:
                break
            yield Row(start, 1, at)
            if flags & EOS:
                return
        raise StreamError(min(at, end), "block", "more bytes", "the end of the payload")

    def fields(self, data: Sliced, start: int, end: int, offset: int) -> tuple[Node, ...]:
        """What the flags say that it has."""
        cut = Cutter(data, start, offset)
        flags = cut.number("sector_flags", 8)
        if flags & DEVICE_BLOCK:
            cut.string("device")
            if not flags & ZERO_BLOCK:
                cut.buffer("data", BLOCK)
        return tuple(cut.nodes)

    def build(self, values: Mapping[str, Any]) -> bytes:
        """Raises what `_records.Form` says."""
        flags = values["sector_flags"]
        known = {"sector_flags"}
        out = number(flags, 8)
        if flags & DEVICE_BLOCK:
            known.add("device")
            out += counted(values["device"])
            if not flags & ZERO_BLOCK:
                known.add("data")
                data = raw(values["data"])
                if len(data) != BLOCK:
                    raise ValueError(f"a block has {BLOCK} bytes, not {len(data)}")
                out += data
        reject_others(values, known)
        return out
