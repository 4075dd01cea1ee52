"""A multifd channel: RAM pages beside the main channel (facts: stream.md 1.11).

    [0]   the hello: magic, version, uuid, id
    [i]   a packet: magic, version, flags, pages_alloc, normal_pages, next_packet_size, packet_num, zero_pages,
          ramblock, offsets, and the pages if there are normal ones
    [i]   device state (QEMU 10.0): magic, version, flags, idstr, instance_id, next_packet_size, data

All `pages_alloc` offsets are there, however many are used. A packet without normal pages has no data behind it, though
what is left of the last one may stand in its next_packet_size, ramblock and offsets. `zero_pages` is 0 before QEMU 9.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vmformat.errors import StreamError
from vmformat.iterable.rows import Cutter, Pages, Row, number, raw, reject_others
from vmformat.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vmformat.ram.walk import Sliced

MAGIC: Final = 0x11223344
SYNC: Final = 1
DEVICE_STATE: Final = 1 << 6
COMPRESSION: Final = 0b111110
"""Of the flags: which way the pages are compressed. QEMU 7.2 has the low three bits of these."""
METHODS: Final = {0: "none", 1 << 1: "zlib", 2 << 1: "zstd", 4 << 1: "qpl", 8 << 1: "uadk", 16 << 1: "qatzip"}

HELLO: Final = 64
_HELLO: Final = (("magic", 4), ("version", 4), ("uuid", -16), ("id", 1), ("unused1", -7), ("unused2", -32))
_PACKET: Final = (
    ("magic", 4),
    ("version", 4),
    ("flags", 4),
    ("pages_alloc", 4),
    ("normal_pages", 4),
    ("next_packet_size", 4),
    ("packet_num", 8),
    ("zero_pages", 4),
    ("unused", -28),
    ("ramblock", -256),
)
_STATE: Final = (
    ("magic", 4),
    ("version", 4),
    ("flags", 4),
    ("idstr", -256),
    ("instance_id", 4),
    ("next_packet_size", 4),
)
"""Fields with their bytes; negative: as raw bytes."""


def _size(fields: tuple[tuple[str, int], ...]) -> int:
    return sum(abs(width) for _, width in fields)


def _at(fields: tuple[tuple[str, int], ...], name: str) -> int:
    """Where a field begins."""
    index = [field for field, _ in fields].index(name)
    return _size(fields[:index])


_PACKET_SIZE: Final = _size(_PACKET)
_STATE_SIZE: Final = _size(_STATE)


@dataclass(frozen=True, slots=True)
class MultifdForm:
    """`_records.Form` of a multifd channel. It ends where the data do."""

    def rows(self, data: Sliced, at: int, end: int) -> Iterator[Row]:
        """The hello, then a packet each."""
        while at < end:
            start = at
            magic = int.from_bytes(data[at : at + 4], "big")
            if end - at >= 4 and magic != MAGIC:
                raise StreamError(start, "multifd.magic", f"{MAGIC:#x}", f"{magic:#x}")
            if at == 0:
                at += HELLO
            else:
                at += self._packet(data, at, end)
            if at > end:
                raise StreamError(start, "multifd", "a whole packet", f"{end - start} bytes to the end")
            yield Row(start, 1, at)

    def _packet(self, data: Sliced, at: int, end: int) -> int:
        """Bytes of the packet at `at`, as far as one can tell."""

        def told(name: str, fields: tuple[tuple[str, int], ...] = _PACKET) -> int:
            where = at + _at(fields, name)
            return int.from_bytes(data[where : where + 4], "big")

        if told("flags") & DEVICE_STATE:
            return _STATE_SIZE + told("next_packet_size", _STATE)
        if at + _PACKET_SIZE > end:
            return _PACKET_SIZE
        return _PACKET_SIZE + 8 * told("pages_alloc") + (told("next_packet_size") if told("normal_pages") else 0)

    def fields(self, data: Sliced, start: int, end: int, offset: int) -> tuple[Node, ...]:
        """All of the header, and the data if there are any."""
        if start == 0:
            return _cut(Cutter(data, start, offset), _HELLO)
        cut = Cutter(data, start, offset)
        flags = int.from_bytes(data[start + 8 : start + 12], "big")
        if flags & DEVICE_STATE:
            _cut(cut, _STATE)
            cut.buffer("data", end - cut.at)
            return tuple(cut.nodes)
        fields = {node.name: node.value for node in _cut(cut, _PACKET)}
        alloc, normal = fields["pages_alloc"], fields["normal_pages"]
        assert isinstance(alloc, int)
        assert isinstance(normal, int)
        offsets = bytes(data[cut.at : cut.at + 8 * alloc])
        numbers = tuple(int.from_bytes(offsets[i : i + 8], "big") for i in range(0, len(offsets), 8))
        cut.nodes.append(Node("offsets", "uint64", offset + cut.at, len(offsets), numbers))
        cut.at += len(offsets)
        size = end - cut.at
        if normal and not flags & COMPRESSION and size and size % normal == 0:
            inner = Pages(data, cut.at, end, size // normal)
            cut.nodes.append(Node("pages", "array", offset + cut.at, size, None, inner))
        elif normal:
            cut.buffer("data", size)
        return tuple(cut.nodes)

    def build(self, values: Mapping[str, Any]) -> bytes:
        """Raises what `_records.Form` says."""
        if "uuid" in values:
            reject_others(values, {name for name, _ in _HELLO})
            return _built(_HELLO, values)
        if values["flags"] & DEVICE_STATE:
            reject_others(values, {"data", *(name for name, _ in _STATE)})
            data = raw(values["data"])
            return _built(_STATE, {**values, "next_packet_size": len(data)}) + data
        reject_others(values, {"offsets", "pages", "data", *(name for name, _ in _PACKET)})
        pages = values.get("pages", values.get("data", b""))
        data = b"".join(map(raw, pages)) if isinstance(pages, list | tuple) else raw(pages)
        offsets = values["offsets"]
        told = {"pages_alloc": len(offsets)}
        if values["normal_pages"]:
            told["next_packet_size"] = len(data)
        elif data:
            raise ValueError("a packet without normal pages has no data")
        return _built(_PACKET, {**values, **told}) + b"".join(number(one, 8) for one in offsets) + data


def _cut(cut: Cutter, fields: tuple[tuple[str, int], ...]) -> tuple[Node, ...]:
    for name, width in fields:
        if width < 0:
            cut.buffer(name, -width)
        else:
            cut.number(name, width)
    return tuple(cut.nodes)


def _built(fields: tuple[tuple[str, int], ...], values: Mapping[str, Any]) -> bytes:
    out = []
    for name, width in fields:
        piece = number(values[name], width) if width > 0 else raw(values[name])
        if len(piece) != abs(width):
            raise ValueError(f"{name} has {abs(width)} bytes, not {len(piece)}")
        out.append(piece)
    return b"".join(out)


def title(index: int, flags: int) -> str:
    """What record number `index` with such flags is."""
    if index == 0:
        return "hello"
    if flags & DEVICE_STATE:
        return "device state"
    method = METHODS.get(flags & COMPRESSION, f"method {flags & COMPRESSION:#x}")
    words = ["packet", *(["SYNC"] if flags & SYNC else []), *([method] if method != "none" else [])]
    return " ".join(words)
