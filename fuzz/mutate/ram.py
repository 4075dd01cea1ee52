"""Mutations of the ram section: guest memory that devices read while they load.

Later pages win, so a page is planted by a record before the last EOS of the ram records (stream.md 7). What the
stream already says of a page is kept around the planted bytes: other devices read there too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.mutate import values
from fuzz.mutate.index import with_payload
from fuzz.mutate.sections import replace_record, sections_at
from vmformat import Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fuzz.mutate.dice import Dice
    from fuzz.mutate.scene import Arm, Scene
    from vmformat import Stream

PAGE: Final = 4096
_ZERO, _MEM_SIZE, _DATA, _EOS, _CONTINUE = 0x02, 0x04, 0x08, 0x10, 0x20
MOST_PAGES: Final = 16
"""Planted pages a stream may carry before planting stops: each costs 4 KiB."""


def pages(payload: bytes, block: str = "") -> Iterator[tuple[str, int, int]]:
    """The page records of a ram payload: block, offset in it, position of the page's bytes (-1: a page of zeros).

    `block` is the last block named in earlier payloads. Stops at the first thing that is not understood.
    """
    at = 0
    while at + 8 <= len(payload):
        word = int.from_bytes(payload[at : at + 8], "big")
        address, flags = word & ~(PAGE - 1), word & PAGE - 1
        at += 8
        if flags == _MEM_SIZE:
            total = 0
            while total < address and at < len(payload):
                name_end = at + 1 + payload[at]
                total += int.from_bytes(payload[name_end : name_end + 8], "big") or address
                at = name_end + 8
            continue
        kind = flags & ~_CONTINUE
        if kind not in {_ZERO, _DATA}:
            return
        if not flags & _CONTINUE:
            if at >= len(payload):
                return
            block = payload[at + 1 : at + 1 + payload[at]].decode("latin-1")
            at += 1 + payload[at]
        yield block, address, at if kind == _DATA else -1
        at += PAGE if kind == _DATA else 1


def _sections(stream: Stream) -> list[tuple[int, bytes]]:
    """Position and payload of each ram section. A payload is taken once: asking a section for it may copy it."""
    records = stream.records
    return [
        (i, record.payload) for i in sections_at(stream) if isinstance(record := records[i], Section) and record.is_ram
    ]


def _with_payload(stream: Stream, at: int, payload: bytes) -> Stream:
    section = stream.records[at]
    assert isinstance(section, Section)
    return replace_record(stream, at, with_payload(section, payload))


def _page(sections: list[tuple[int, bytes]], block: str, offset: int) -> bytes:
    content = bytes(PAGE)
    last = ""
    for _, payload in sections:
        for name, address, at in pages(payload, last):
            last = name
            if name == block and address == offset:
                content = payload[at : at + PAGE].ljust(PAGE, b"\0") if at >= 0 else bytes(PAGE)
    return content


def plant(stream: Stream, scene: Scene, contents: Mapping[int, bytes]) -> Stream | None:
    """Put these bytes at these guest-physical addresses, where RAM backs them. None: nothing planted."""
    sections = _sections(stream)
    if not sections:
        return None
    block = scene.places.ram_block
    changed: dict[int, bytearray] = {}
    for address, data in contents.items():
        for i, byte in enumerate(data):
            offset = scene.places.block_offset(address + i)
            if offset is None:
                continue
            page = offset & ~(PAGE - 1)
            if page not in changed:
                changed[page] = bytearray(_page(sections, block, page))
            changed[page][offset - page] = byte
    carried = sum(len(payload) for _, payload in sections)
    if not changed or carried + PAGE * len(changed) > max(scene.max_size // 2, MOST_PAGES * PAGE):
        return None
    at, payload = sections[-1]
    if payload[-8:] != _EOS.to_bytes(8, "big"):
        return None
    name = _named(block)
    new = b"".join((page | _DATA).to_bytes(8, "big") + name + bytes(data) for page, data in changed.items())
    return _with_payload(stream, at, payload[:-8] + new + payload[-8:])


def _named(block: str) -> bytes:
    """A block's name as a record has it."""
    return bytes([len(block)]) + block.encode()


def memory(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """Plant a small number somewhere interesting, or alter a byte that a page of the stream holds already."""
    for i, payload in _sections(stream):
        known = [at for _name, _page, at in pages(payload) if at >= 0]
        if known and not dice.chance(3):
            start = dice.pick(known)
            page = payload[start : start + PAGE]
            used = [at for at, byte in enumerate(page) if byte]
            if used:
                at = start + dice.pick(used)
                byte = bytes([values.integer(dice, payload[at], 1)])
                return _with_payload(stream, i, payload[:at] + byte + payload[at + 1 :])
    return plant(stream, scene, {scene.places.address(dice) + 2: dice.word(16).to_bytes(2, "little")})


def records(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """Alter the ram records themselves: flags, offsets, the block list."""
    sections = _sections(stream)
    if not sections:
        return None
    at, old = dice.pick(sections)
    payload = bytearray(old)
    if len(payload) < 8:
        return None
    way = dice.below(3)
    if way == 0:
        payload[7] ^= dice.pick((0x02, 0x20, 0x10, 0x08, 0x80, 0x40))
    elif way == 1:
        offset = dice.low(min(len(payload), 256))
        payload[offset] = values.integer(dice, payload[offset], 1)
    else:
        page = (dice.low(1 << 20) << 12 | _ZERO).to_bytes(8, "big")
        payload[-8:-8] = page + _named(scene.places.ram_block) + b"\0"
    return _with_payload(stream, at, bytes(payload))


ARMS: dict[str, tuple[Arm, int]] = {"memory": (memory, 3), "ram-records": (records, 1)}
"""Arms of this file with their weights."""
