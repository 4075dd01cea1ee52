"""Mutations of virtio sections: where rings lie, what their indices say, which subsections come along.

The ring of a queue is the one place where a load reads guest memory for nearly every guest, so this is where a stale
flat view is met. A ring moved into memory that firmware switches between ROM and RAM is read through the old view by
a batched load. Often the indices in RAM are planted too, so that the reference accepts what it reads (virtio.md 5, 9,
12).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fuzz.mutate import layout, ram, values
from fuzz.mutate.index import index_of, read_leaf, with_payload, write_leaf
from fuzz.mutate.pci import pam
from fuzz.mutate.rings import AVAIL, DESC, LAST, NUM, USED
from fuzz.mutate.sections import devices_at, drawn, kind_of, replace_record
from vmformat import Section

if TYPE_CHECKING:
    from fuzz.mutate.dice import Dice
    from fuzz.mutate.index import Index
    from fuzz.mutate.scene import Arm, Scene
    from vmformat import Stream

_HEAD: Final = re.compile(
    r"(\.head\.\w+|queues\.num|config_vector|queues\.queue\[\]\.vector|core\..*guest_features)(\[\])?$"
)
_SUBSECTION: Final = re.compile(
    rb"\x05(?P<length>[\x08-\x28])(?P<name>virtio/[a-z0-9_]+)(?P<version>\0\0\0[\0-\2])", re.DOTALL
)
_FEATURES: Final = re.compile(r"virtio/64bit_features\.guest_features$")
_VERSION_1: Final = 1 << 32
_SIZES: Final = (1, 2, 4, 8, 64, 255, 256, 1024, 0x8000, 0xFFFFFFFF)
_INTERESTING_FEATURES: Final = (_VERSION_1, 1 << 33, 1 << 34, 1 << 29, 1 << 28)


def virtio_at(stream: Stream) -> list[int]:
    """Positions of virtio sections."""
    return [
        at
        for at in devices_at(stream)
        if isinstance(section := stream.records[at], Section) and kind_of(section).startswith("virtio")
    ]


def device(stream: Stream, dice: Dice) -> tuple[int, Section, Index] | None:
    """A virtio section with its place and its index; None where there is none, or it does not decode."""
    found = drawn(stream, dice, virtio_at(stream))
    index = index_of(found[1]) if found is not None else None
    return None if found is None or index is None else (*found, index)


def _queue(section: Section, index: Index, dice: Dice) -> int | None:
    """A queue to work on: one in use most of the time, low ones likelier."""
    leaves = [leaf.element(i) for leaf in index.find(DESC) for i in range(min(leaf.count, 64))]
    if not leaves:
        return None
    used = [i for i, leaf in enumerate(leaves) if read_leaf(section, leaf)]
    return dice.pick(used) if used and not dice.chance(4) else dice.low(len(leaves))


def ring(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """Move a queue's rings, wholly or in part, and plant indices there that fit."""
    chosen = device(stream, dice)
    if chosen is None:
        return None
    at, section, index = chosen
    queue = _queue(section, index, dice)
    if queue is None:
        return None
    desc, last, num = (index.nth(pattern, queue) for pattern in (DESC, LAST, NUM))
    avail, used = index.nth(AVAIL, queue), index.nth(USED, queue)
    if desc is None or last is None or num is None:
        return None
    size = read_leaf(section, num)
    if size == 0 or size > 1024 or dice.chance(8):
        size = dice.pick((4, 8, 16, 64, 128, 256, 255, 1024))
        section = write_leaf(section, num, size)
    base = layout.address(stream, dice, scene)
    avail_at = base + 16 * size
    used_at = (avail_at + 6 + 2 * size + 0xFFF) & ~0xFFF
    way = dice.below(6) if avail is not None and used is not None else 0
    if way != 1 and way != 2:
        section = write_leaf(section, desc, base)
    if avail is not None and used is not None:
        if way == 1:
            avail_at, used_at = base, read_leaf(section, used)
        elif way == 2:
            avail_at, used_at = read_leaf(section, avail), base
        section = write_leaf(write_leaf(section, avail, avail_at), used, used_at)
    seen = read_leaf(section, last)
    if dice.chance(3):
        seen = dice.pick((0, 1, 0x1000, 0xFFFF, size, seen + size, seen + 1))
        section = write_leaf(section, last, seen)
    if dice.chance(8):
        section = _repeat(section, b"virtio/started", bytes([1]))
    stream = replace_record(stream, at, section)
    if 0xC0000 <= base < 0x100000 and dice.chance(2):
        stream = pam(stream, dice, base)
    if dice.chance(4):
        return stream
    plant = {avail_at + 2: (seen + dice.pick((0, 0, 0, 1, size, size + 1))) & 0xFFFF}
    plant[used_at + 2] = (seen - dice.pick((0, 0, 0, 1, size, size + 1))) & 0xFFFF
    return (
        ram.plant(stream, scene, {address: value.to_bytes(2, "little") for address, value in plant.items()}) or stream
    )


def indices(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Alter what the device has seen of a ring: last_avail by one or by the ring's size, or the size itself."""
    chosen = device(stream, dice)
    if chosen is None:
        return None
    at, section, index = chosen
    queue = _queue(section, index, dice)
    if queue is None:
        return None
    last, num, desc = (index.nth(pattern, queue) for pattern in (LAST, NUM, DESC))
    if last is None or num is None or desc is None:
        return None
    size = read_leaf(section, num)
    way = dice.below(8)
    if way < 5:
        step = dice.pick((1, -1, size, -size, size + 1, -size - 1, 0x8000))
        section = write_leaf(section, last, read_leaf(section, last) + step)
    elif way == 5:
        section = write_leaf(section, num, dice.pick(_SIZES))
    elif way == 6:
        section = write_leaf(section, desc, 0)
        section = write_leaf(section, last, 0)
    else:
        section = write_leaf(section, desc, read_leaf(section, desc) + dice.pick((1, -16, 16, 0x1000, -0x1000)))
    return replace_record(stream, at, section)


def resize(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Another size of a queue, with its rings where they were."""
    chosen = device(stream, dice)
    queue = _queue(chosen[1], chosen[2], dice) if chosen is not None else None
    if chosen is None or queue is None:
        return None
    at, section, index = chosen
    num = index.nth(NUM, queue)
    return None if num is None else replace_record(stream, at, write_leaf(section, num, dice.pick(_SIZES)))


def head(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Alter status, features, vectors, counts."""
    chosen = device(stream, dice)
    if chosen is None:
        return None
    at, section, index = chosen
    if dice.chance(3):
        for leaf in index.find(_FEATURES):
            if leaf.size == 8:
                bit = dice.pick(_INTERESTING_FEATURES) if dice.chance(2) else 1 << dice.below(64)
                return replace_record(stream, at, write_leaf(section, leaf, read_leaf(section, leaf) ^ bit))
    leaves = index.find(_HEAD)
    if not leaves:
        return None
    leaf = dice.pick(leaves)
    leaf = leaf.element(dice.low(leaf.count))
    if leaf.size not in {1, 2, 4, 8}:
        return None
    value = values.integer(dice, read_leaf(section, leaf), leaf.size)
    if leaf.path.endswith("config_len") and value >= 1 << 24:
        value &= 0xFF  # a huge one hangs the loader: known, and a waste of the budget
    return replace_record(stream, at, write_leaf(section, leaf, value))


def _split(payload: bytes) -> tuple[bytes, list[bytes]]:
    """What comes before the core subsections, and each of them whole (they end the payload)."""
    starts = [m.start() for m in _SUBSECTION.finditer(payload) if m["length"][0] == len(m["name"])]
    if not starts:
        return payload, []
    ends = [*starts[1:], len(payload)]
    return payload[: starts[0]], [payload[a:b] for a, b in zip(starts, ends, strict=True)]


def _repeat(section: Section, name: bytes, fields: bytes) -> Section:
    body = b"\x05" + bytes([len(name)]) + name + (1).to_bytes(4, "big") + fields
    return with_payload(section, section.payload + body)


def subsection(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Drop, repeat, reorder or add core subsections: order is free, repetition allowed, absence too."""
    chosen = device(stream, dice)
    if chosen is None:
        return None
    at, section, _index = chosen
    front, parts = _split(section.payload)
    way = dice.below(5)
    if way == 4 or not parts:
        name, fields = dice.pick(
            (
                (b"started", b"\1"),
                (b"started", b"\0"),
                (b"broken", b"\1"),
                (b"disabled", b"\1"),
                (b"device_endian", b"\2"),
                (b"foo", b""),
            )
        )
        return replace_record(stream, at, _repeat(section, b"virtio/" + name, fields))
    i = dice.below(len(parts))
    if way == 0:
        parts.pop(i)
    elif way == 1:
        parts.insert(dice.below(len(parts) + 1), parts[i])
    elif way == 2:
        parts.insert(dice.below(len(parts)), parts.pop(i))
    else:
        # Between header and fields of one: an earlier copy with zeroed fields, then the real one.
        header = 6 + parts[i][1]
        parts.insert(i, parts[i][:header] + bytes(len(parts[i]) - header))
    return replace_record(stream, at, with_payload(section, front + b"".join(parts)))


ARMS: dict[str, tuple[Arm, int]] = {
    "ring": (ring, 12),
    "ring-indices": (indices, 5),
    "virtio-head": (head, 3),
    "virtio-subsection": (subsection, 3),
}
"""Arms of this file with their weights."""
