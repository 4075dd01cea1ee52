"""Trials of a stream as a whole: what stands around its sections, and which no field of a device says.

Beside the trials of fields (`trials`), once each in a campaign, each in a mutant of its own: most of them get the load
refused where they stand, and what is behind that place is not tried. Those of each kind come in turn.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from fuzz.mutate.alternate import alternate
from fuzz.mutate.behind import trials_of_behind
from fuzz.mutate.commanded import trials_of_commands
from fuzz.mutate.framing import FRAMING
from fuzz.mutate.fronts import trials_of_front
from fuzz.mutate.planted import trials_of_planted
from fuzz.mutate.ram_trials import trials_of_ram
from fuzz.mutate.sections import devices_at, sections_at, with_records
from fuzz.mutate.uncovered import trials_of_uncovered
from vmformat import Eof, Gap, Kind, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fuzz.mutate.scene import Scene
    from fuzz.mutate.trial import Change
    from vmformat import Record, Stream

_TYPES: Final = (0x7E, 0x06, 0x05, 0x07, 0xFF, 0x09)
"""First bytes of records that have no business among sections."""
_OF_HEADS: Final = ("name", "path", "instance", "version")
_OF_PARTS: Final = tuple(one for one in FRAMING if not any(word in one[1] for word in _OF_HEADS))
"""What can be done to a PART or END: these have no name, instance or version."""


def whole_trials(stream: Stream, scene: Scene) -> list[tuple[str, Callable[[Stream], Stream | None]]]:
    """All of them for one seed: name and what is done (None where there is nothing to do)."""
    return [
        *alternate(
            trials_of_planted(stream, scene),
            trials_of_commands(stream, scene.places),
            trials_of_ram(stream),
            trials_of_front(stream),
            alternate(_of_records(stream), trials_of_uncovered(stream, scene)),
            trials_of_behind(stream, scene),
        )
    ]


def _of_records(stream: Stream) -> Iterator[tuple[str, Callable[[Stream], Stream | None]]]:
    """Ends in other places, bytes that are no record, a number of two devices, RAM sent otherwise."""
    ram = [i for i in sections_at(stream) if isinstance(one := stream.records[i], Section) and one.is_ram]
    yield from alternate(_places(stream), _framed("ram", ram[:1], FRAMING), _framed("ram's last", ram[-1:], _OF_PARTS))


def _framed(
    what: str, places: list[int], framing: Sequence[tuple[int, str, Change, float]]
) -> Iterator[tuple[str, Callable[[Stream], Stream | None]]]:
    for at in places:
        for _, name, change, _ in framing:
            yield f"{what}:{name}", partial(_changed, at, change)


def _places(stream: Stream) -> Iterator[tuple[str, Callable[[Stream], Stream | None]]]:
    devices = devices_at(stream)
    middle = devices[len(devices) // 2] if devices else 0
    for name, at in (("middle", middle), ("first", 0)):
        yield f"end:{name}", partial(_inserted, at, Eof(0))
    yield "end:none", _endless
    for first, second in ((-1, 0), (0, -1), (-1, len(devices) // 2)) if len(devices) > 1 else ():
        yield f"number of another:{first}:{second}", partial(_numbered_alike, devices[first], devices[second])
    for byte in _TYPES:
        yield f"type:{byte:#x}", partial(_inserted, middle, Gap(bytes([byte])))
    yield "turned", _turned


def _inserted(at: int, record: Record, stream: Stream) -> Stream:
    return with_records(stream, (*stream.records[:at], record, *stream.records[at:]))


def _endless(stream: Stream) -> Stream:
    """No end: the records go on into what stands behind it, or the stream just stops."""
    return with_records(stream, (record for record in stream.records if not isinstance(record, Eof)))


def _turned(stream: Stream) -> Stream:
    """Devices in the order in which they never come."""
    records, places = [*stream.records], devices_at(stream)
    for at, other in zip(places, reversed(places), strict=True):
        records[at] = stream.records[other]
    return with_records(stream, records)


def _numbered_alike(one: int, other: int, stream: Stream) -> Stream | None:
    """Two devices under one number, and a part of that number which is either's."""
    records = [*stream.records]
    first, second = records[one], records[other]
    assert isinstance(first, Section)
    assert isinstance(second, Section)
    records[other] = replace(second, section_id=first.section_id, footer=first.section_id)
    part = replace(first, kind=Kind.END)
    records.insert(max(one, other) + 1, part)
    return with_records(stream, records)


def _changed(at: int, change: Change, stream: Stream) -> Stream | None:
    section = stream.records[at]
    assert isinstance(section, Section)
    made = change(section)
    if made is None or made == section:
        return None
    found = (made,) if isinstance(made, Section) else made
    return with_records(stream, (*stream.records[:at], *found, *stream.records[at + 1 :]))
