"""Mutations with the COMMAND sub-protocol: packages around sections, and commands between them (stream.md 1.6, 1.7)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from fuzz.mutate.sections import with_records
from vmformat import Cmd, Command, Eof, StreamError, pack, package_records

if TYPE_CHECKING:
    from fuzz.mutate.dice import Dice
    from fuzz.mutate.scene import Arm, Scene
    from vmformat import Record, Stream


@lru_cache(maxsize=64)
def _plain(block: str) -> tuple[tuple[int, bytes], ...]:
    """Commands with their payloads; those about pages are about this block."""
    name = bytes([len(block)]) + block.encode()
    return (
        (Cmd.INVALID, b""),
        (Cmd.OPEN_RETURN_PATH, b""),
        (Cmd.PING, bytes(4)),
        (Cmd.POSTCOPY_ADVISE, b""),
        (Cmd.POSTCOPY_ADVISE, (0x1000).to_bytes(8, "big") * 2),
        (Cmd.POSTCOPY_LISTEN, b""),
        (Cmd.POSTCOPY_RUN, b""),
        (Cmd.POSTCOPY_RAM_DISCARD, b"\0" + name + b"\0" + bytes(16)),
        (Cmd.ENABLE_COLO, b""),
        (Cmd.POSTCOPY_RESUME, b""),
        (Cmd.RECV_BITMAP, name),
        (Cmd.SWITCHOVER_START, b""),
        (12, b""),
    )


def wrap(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Put a run of records into a package that ends by an EOF, by RUN, or not at all."""
    records = list(stream.records)
    if not records:
        return None
    first = dice.below(len(records))
    last = first + dice.below(len(records) - first + 1)
    inner: list[Record] = [record for record in records[first:last] if not isinstance(record, Eof)]
    way = dice.below(8)
    if way == 0:
        inner = [Command(Cmd.POSTCOPY_LISTEN), *inner, Command(Cmd.POSTCOPY_RUN)]
        records.insert(0, Command(Cmd.POSTCOPY_ADVISE))
        first, last = first + 1, last + 1
    elif way < 7:
        inner.append(Eof(0))
    rest = records[last:]
    return with_records(stream, [*records[:first], pack(inner), *rest])


def unwrap(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Take the records of a package out of it."""
    places = [
        i for i, record in enumerate(stream.records) if isinstance(record, Command) and record.cmd == Cmd.PACKAGED
    ]
    if not places:
        return None
    at = dice.pick(places)
    command = stream.records[at]
    assert isinstance(command, Command)
    try:
        inner = package_records(stream, command)
    except StreamError:
        return None
    kept = inner if dice.chance(3) else tuple(record for record in inner if not isinstance(record, Eof))
    return with_records(stream, [*stream.records[:at], *kept, *stream.records[at + 1 :]])


def insert(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """Put a command between two records."""
    cmd, payload = dice.pick(_plain(scene.places.ram_block))
    if dice.chance(16):
        payload += bytes(1 + dice.below(4))
    records = list(stream.records)
    records.insert(dice.below(len(records) + 1), Command(cmd, payload))
    return with_records(stream, records)


ARMS: dict[str, tuple[Arm, int]] = {"wrap": (wrap, 3), "unwrap": (unwrap, 1), "command": (insert, 1)}
"""Arms of this file with their weights."""
