"""Trials of commands: each by itself, with lengths that it may not have, and in the order of one that must come before.

A command changes what the loader is in the middle of, and what it may be told next (stream.md 1.6, 1.7). Those here
come at the end of a stream, where all else has loaded, then at its beginning.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from fuzz.mutate.alternate import alternate
from fuzz.mutate.sections import with_records
from vmformat import Cmd, Command, Eof, Section, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fuzz.mutate.places import Places
    from vmformat import Record, Stream

_PAGE: Final = 0x1000
_OPEN, _PING = Command(Cmd.OPEN_RETURN_PATH), Command.ping(1)
_ADVISE, _LISTEN, _RUN = Command(Cmd.POSTCOPY_ADVISE), Command(Cmd.POSTCOPY_LISTEN), Command(Cmd.POSTCOPY_RUN)
_ADVISE_RAM: Final = Command(Cmd.POSTCOPY_ADVISE, _PAGE.to_bytes(8, "big") * 2)
_COLO, _RESUME = Command(Cmd.ENABLE_COLO), Command(Cmd.POSTCOPY_RESUME)
_LENGTHS: Final = {
    Cmd.OPEN_RETURN_PATH: (1,),
    Cmd.PING: (0, 3, 5, 8),
    Cmd.POSTCOPY_ADVISE: (8, 1, 15, 17, 24),
    Cmd.POSTCOPY_LISTEN: (1,),
    Cmd.POSTCOPY_RUN: (1,),
    Cmd.PACKAGED: (0, 3, 5, 8),
    Cmd.ENABLE_COLO: (1,),
    Cmd.POSTCOPY_RESUME: (1,),
}
"""Lengths that a command may not have."""
_BEFORE: Final = {
    Cmd.PING: (_OPEN,), Cmd.POSTCOPY_LISTEN: (_ADVISE,), Cmd.POSTCOPY_RUN: (_ADVISE, _LISTEN)
}  # fmt: skip
"""What a command has to follow."""
_FIRST: Final = 12
"""Of the trials at the end those that come at the beginning as well."""
_UNKNOWN: Final = (Cmd.INVALID, 11, 12, 0x100 | Cmd.OPEN_RETURN_PATH, 0x8001, 0xFFFF)


def trials_of_commands(stream: Stream, places: Places) -> Iterator[tuple[str, Callable[[Stream], Stream | None]]]:
    """(name, what is done), the most promising first."""
    end = tuple(_at_the_end(stream, places))
    for number, records in enumerate(end):
        yield f"command:{number}", partial(_put, records, True)
    for number, records in enumerate(end[:_FIRST]):
        yield f"first:command:{number}", partial(_put, records, False)


def _at_the_end(stream: Stream, places: Places) -> Iterator[Sequence[Record]]:
    yield from (
        (_PING,), (_OPEN, _PING), (_ADVISE, _ADVISE), (_LISTEN,), (_RUN,), (_ADVISE, _LISTEN), (_ADVISE_RAM,),
        (Command.packaged(b""),), (pack((_PING, Eof())),), (pack((Eof(),)),),
    )  # fmt: skip
    discards = ((_ADVISE, one) for one in _discards(places))
    lengths = ((*_BEFORE.get(cmd, ()), Command(cmd, bytes(size))) for cmd, sizes in _LENGTHS.items() for size in sizes)
    yield from alternate(discards, lengths, _packages(stream), _in_order(places), _bitmaps(places))


def _in_order(places: Places) -> Iterator[Sequence[Record]]:
    yield from (
        (_ADVISE, _RUN), (_LISTEN, _LISTEN), (_ADVISE, _LISTEN, _LISTEN), (_ADVISE, _LISTEN, _RUN),
        (_ADVISE, _LISTEN, _ADVISE), (_OPEN, _OPEN), (_OPEN, _PING, _PING), (_RESUME,), (_COLO,), (_COLO, _COLO),
        (_OPEN,), (_ADVISE,), (_ADVISE, _LISTEN, _discard(places)), (_discard(places),), (_ADVISE, _COLO),
        (_ADVISE, _discard(places), _ADVISE), (_ADVISE, _discard(places), _LISTEN), (_COLO, _LISTEN),
    )  # fmt: skip


def _bitmaps(places: Places) -> Iterator[Sequence[Record]]:
    """What only recovers a postcopy asks for, and what there is no command of."""
    block = places.ram_block.encode()
    for name in (block, b"none", block[:-1], b"", block + b"\0"):
        yield (Command(Cmd.RECV_BITMAP, bytes([len(name)]) + name),)
    yield (Command(Cmd.RECV_BITMAP, bytes([len(block)]) + block + b"\0"),)
    yield (Command(Cmd.RECV_BITMAP, bytes([len(block) + 1]) + block),)
    yield from ((Command(number),) for number in _UNKNOWN)


def _discard(
    places: Places, start: int = 0, length: int = _PAGE, name: bytes | None = None, version: int = 0, nil: int = 0
) -> Command:
    block = places.ram_block.encode() if name is None else name
    spans = start.to_bytes(8, "big") + length.to_bytes(8, "big")
    return Command(Cmd.POSTCOPY_RAM_DISCARD, bytes([version, len(block)]) + block + bytes([nil]) + spans)


def _discards(places: Places) -> Iterator[Command]:
    """Ranges of guest memory that are dropped: at the end, beyond it, of half a page; heads that are wrong."""
    most, top = places.below_4g + places.above_4g, (1 << 64) - _PAGE
    for start, length in (
        (0, _PAGE), (most - _PAGE, 2 * _PAGE), (most, _PAGE), (1, _PAGE), (0, 1), (0, most), (0, most + _PAGE), (0, 0),
        (0x800, 0x800), (top, _PAGE), (_PAGE, top), (0, top), (most - _PAGE, _PAGE), (1 << 63, _PAGE),
    ):  # fmt: skip
        yield _discard(places, start, length)
    yield from (_discard(places, name=b"none"), _discard(places, version=1), _discard(places, nil=1))
    good = _discard(places).payload
    for payload in (
        good + good[-16:], good[:-16], good[:-1], good + b"\0", good[:19], b"", b"\0\0\0" + bytes(17), good + bytes(8),
    ):  # fmt: skip
        yield Command(Cmd.POSTCOPY_RAM_DISCARD, payload)


def _packages(stream: Stream) -> Iterator[Sequence[Record]]:
    """Packages: that do not end, that end twice, in each other; of a device that has loaded, as a postcopy sends it."""
    device = next((one for one in reversed(stream.records) if isinstance(one, Section)), None)
    inside: tuple[Record, ...] = () if device is None else (device,)
    yield from (
        (pack((*inside, Eof())),),
        (pack(inside),),
        (pack((_OPEN,)),),
        (pack((*inside, Eof(), *inside)),),
        (pack((pack((*inside, Eof())), Eof())),),
        (pack((Eof(),)), pack((*inside, Eof()))),
        (_ADVISE, pack((_LISTEN, *inside, _RUN))),
        (_ADVISE, pack((_LISTEN, *inside, Eof()))),
        (pack((_RUN,)),),
        (pack((_LISTEN, *inside, _RUN)),),
    )


def _put(records: Sequence[Record], is_last: bool, stream: Stream) -> Stream:
    old = stream.records
    at = 0
    if is_last:
        at = next((i for i, record in enumerate(old) if isinstance(record, Eof)), len(old))
    return with_records(stream, (*old[:at], *records, *old[at:]))
