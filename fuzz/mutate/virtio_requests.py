"""Mutations that give virtio devices something to map while they load: requests under way, pictures of a screen.

Where guest memory is mapped in the middle of a load a stale view shows: a buffer in memory that firmware switches
between ROM and RAM, or behind a bus master that is not on yet (virtio.md 4, 9, 12).
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from fuzz.mutate import layout
from fuzz.mutate.index import index_of, with_payload
from fuzz.mutate.sections import devices_at, kind_of, replace_record
from vmformat import Section

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.mutate.dice import Dice
    from fuzz.mutate.scene import Arm, Scene
    from vmformat import Leaf, Schema, Stream

ELEMENT: Final = 49168
"""Bytes of one in-flight element (virtio.md 4.1)."""

IN_ADDR, OUT_ADDR, IN_SG, OUT_SG = 16, 8208, 16400, 32784
COMMAND, ANSWER = 51, 108
"""Bytes of a SCSI command and of the answer to it on their ring."""

_HEADS: Final = (1, 255, 256, 1024, 0xFFFF, 0x10000, 0xFFFFFFFF, 0x80000000)
"""Descriptors that a request begins with: in the ring, just behind it, where no ring reaches."""
_COUNTS: Final = (0, 1023, 1024, 1025, 0x80000000, 0xFFFFFFFF, 0x10000001)
"""Buffers that a request says it has."""

READ_10: Final = 0x28


def request(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """A request of a disk, an element of a serial port or a picture of a screen, its buffers in interesting places."""
    return _put(stream, dice, scene, [at for at in devices_at(stream) if _kind(stream, at) in _PLACES])


def picture(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """A picture of a screen, or two: small beside a request, so that many can be tried."""
    return _put(stream, dice, scene, [at for at in devices_at(stream) if _kind(stream, at) == _SCREEN])


def _put(stream: Stream, dice: Dice, scene: Scene, found: list[int]) -> Stream | None:
    if not found:
        return None
    at = dice.pick(found)
    section = stream.records[at]
    assert isinstance(section, Section)
    pattern, make = _PLACES[_kind(stream, at)]
    index = index_of(section)
    leaves = index.find(pattern) if index is not None else []
    if not leaves or len(section.payload) + ELEMENT > scene.max_size * 3 // 4:
        return None
    leaf = leaves[dice.low(len(leaves))]
    whole = section.payload
    before, after = whole[: leaf.offset], whole[leaf.offset + leaf.size :]
    middle = make(_Maker(dice, scene, stream), section, leaf)
    return replace_record(stream, at, with_payload(section, before + middle + after))


def _kind(stream: Stream, at: int) -> str:
    record = stream.records[at]
    return kind_of(record) if isinstance(record, Section) else ""


class _Maker:
    """Elements, with what they need to be made of."""

    def __init__(self, dice: Dice, scene: Scene, stream: Stream) -> None:
        self.dice = dice
        self.scene = scene
        self.stream = stream

    def address(self) -> int:
        """Somewhere worth mapping."""
        return layout.address(self.stream, self.dice, self.scene)

    def element(self, outs: list[int], ins: list[int]) -> bytes:
        """An element whose buffers have these lengths, what the device reads first."""
        data = bytearray(ELEMENT)
        head = 0 if self.dice.chance(2) else self.dice.pick(_HEADS)
        counts = [len(outs), len(ins)]
        if self.dice.chance(8):
            counts[self.dice.below(2)] = self.dice.pick(_COUNTS)
        struct.pack_into("<III", data, 0, head, *counts)
        for base, sg, lengths in ((OUT_ADDR, OUT_SG, outs), (IN_ADDR, IN_SG, ins)):
            for i, length in enumerate(lengths):
                struct.pack_into("<Q", data, base + 8 * i, self.address())
                struct.pack_into("<Q", data, sg + 16 * i + 8, length)
        return bytes(data)

    def lengths(self, number: int) -> list[int]:
        """Lengths of so many buffers."""
        return [self.dice.pick((16, 16, 1, 512, 0x1000, 0x4000)) for _ in range(number)]


def _of_disk(maker: _Maker, section: Section, leaf: Leaf) -> bytes:
    outs, ins = maker.dice.pick(((1, 1), (1, 0), (2, 1), (1, 2)))
    queue = maker.dice.pick(_QUEUES).to_bytes(4, "big") if _several(section) else b""
    made = b"\1" + queue + maker.element(maker.lengths(outs), maker.lengths(ins))
    return made * (2 if maker.dice.chance(6) else 1) + _old(section, leaf)


_QUEUES: Final = (0, 0, 0, 0, 1, 2, 0xFFFFFFFF)


def _several(section: Section) -> bool:
    """Whether a disk's requests say which queue they are of, as those of disks with several queues do."""
    longer = None if section.layout is None else _fields(section.layout)
    return longer is not None and "queue" in longer


@lru_cache(maxsize=64)
def _fields(schema: Schema) -> frozenset[str] | None:
    """The names of the fields of a request, wherever the schema has its list."""
    for field in schema.fields:
        if field.struct is not None:
            if field.name == "requests":
                return frozenset(inner.name for inner in field.struct.fields)
            found = _fields(field.struct)
            if found is not None:
                return found
    return None


def _of_scsi(maker: _Maker, section: Section, leaf: Leaf) -> bytes:
    lun = section.name.rpartition("/")[0].rpartition(":")[2]
    cdb = struct.pack(">BBIBHB", READ_10, 0, maker.dice.below(1 << 16), 0, 8, 0).ljust(16, b"\0")
    head = cdb + struct.pack(">III", maker.dice.below(256), int(lun) if lun.isdecimal() else 0, maker.dice.below(2))
    element = maker.element([COMMAND], [ANSWER, *maker.lengths(1)])
    return b"\1" + head + element + struct.pack(">QII", 0, 8, maker.dice.pick((0, 4096))) + _old(section, leaf)


def _of_port(maker: _Maker, _section: Section, _leaf: Leaf) -> bytes:
    return struct.pack(">IIQ", 1, 0, 0) + maker.element(maker.lengths(maker.dice.pick((1, 1, 2))), [])


def _of_screen(maker: _Maker, section: Section, leaf: Leaf) -> bytes:
    number = maker.dice.pick((1, 1, 2, 7))
    made = _picture(maker, number)
    if maker.dice.chance(3):
        made += _picture(maker, maker.dice.pick((number, number, number + 1)))  # one that is there already, perhaps
    return made + _old(section, leaf)


def _picture(maker: _Maker, number: int) -> bytes:
    pieces = maker.lengths(maker.dice.pick((1, 1, 2, 3)))
    head = struct.pack(">5I", number, 4, 2, maker.dice.pick((1, 2, 67, 5)), len(pieces))
    return head + b"".join(struct.pack(">QI", maker.address(), length) for length in pieces) + bytes(32)


def _old(section: Section, leaf: Leaf) -> bytes:
    return section.payload[leaf.offset : leaf.offset + leaf.size]


_SCREEN: Final = "virtio-gpu"

_PLACES: Final[dict[str, tuple[re.Pattern[str], Callable[[_Maker, Section, Leaf], bytes]]]] = {
    "virtio-blk": (re.compile(r"^virtio\.device\.requests@end$"), _of_disk),
    "scsi-disk": (re.compile(r"^qdev\.requests@end$"), _of_scsi),
    "virtio-console": (re.compile(r"^virtio\.device\.ports\[\]\.has_element$"), _of_port),
    _SCREEN: (re.compile(r"^virtio-gpu\.resources@end$"), _of_screen),
}
"""By kind of section: what it is put in front of (or, for a port, in place of), and how it is made."""

ARMS: dict[str, tuple[Arm, int]] = {"request": (request, 1), "picture": (picture, 2)}
"""Arms of this file with their weights."""
