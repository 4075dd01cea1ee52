"""Facts of an outcome that the engine collects beside code coverage.

Each is small and composable: a verdict, a reader with pending and harmful, a device kind with a kind of message. An
input that reaches a new one is kept. Nothing here hashes a whole state (see `fuzz.engine.features`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fuzz.engine.target import Feature
    from model.outcome import DeviceState, Outcome
    from model.session import Stage

_NUMBER: Final = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]*\d[0-9a-fA-F]*")
_QUOTED: Final = re.compile(r"['\"][^'\"]*['\"]")
_kinds: dict[str, str] = {}


def message_kind(message: str) -> str:
    """A message without its numbers and quoted names: `VQ 0 size 0x100 ...` and `VQ 3 size 0x40 ...` are one kind."""
    known = _kinds.get(message)
    if known is None:
        known = _QUOTED.sub("'", _NUMBER.sub("#", message[:160]))
        if len(_kinds) < 50_000:  # a bound on memory over a long campaign
            _kinds[message] = known
    return known


def bucket(number: int) -> int:
    """Powers of two, as libFuzzer counts: 0, 1, 2, 3 (for 4-7), ..."""
    return number.bit_length()


def of_outcome(outcome: Outcome) -> Iterator[Feature]:
    """What one design made of the stream."""
    design = outcome.design
    kind = outcome.at.kind if outcome.at else ""
    yield ("verdict", design, outcome.verdict, kind)
    if outcome.at is not None:
        yield ("refusal", outcome.at.field, message_kind(outcome.at.errors[0]) if outcome.at.errors else "")
        yield ("guest-can-cause", kind, str(outcome.guest_can_cause))
    yield ("rebuilds", design, bucket(outcome.rebuilds))
    yield ("depth", design, min(outcome.depth_at_end, 8), outcome.verdict)
    for reader, count in outcome.reads_while_pending:
        yield ("pending", design, reader, bucket(count))
    for reader, count in outcome.harmful_reads:
        yield ("harmful", design, reader, bucket(count))
    for message in outcome.messages[:32]:
        yield ("message", message_kind(message))
    for missing in outcome.not_modelled:
        yield ("not-modelled", message_kind(missing))
    if outcome.forced_commits:
        yield ("forced", design, bucket(outcome.forced_commits))
    for acted in outcome.acted:
        yield ("acted", acted.step.actor, acted.where.partition(" ")[0], acted.result)


def of_stages(stages: Sequence[Stage]) -> Iterator[Feature]:
    """What one design made of the stream, and how the process lived on."""
    yield from of_outcome(stages[0].outcome)
    yield from of_life(stages)


def of_life(stages: Sequence[Stage]) -> Iterator[Feature]:
    """How the process lived on behind the load."""
    for stage in stages[1:]:
        outcome = stage.outcome
        yield ("stage", stage.name, outcome.design, outcome.verdict, min(outcome.depth_at_end, 8))
        yield ("stage-rebuilds", stage.name, outcome.design, bucket(outcome.rebuilds))


def of_devices(devices: tuple[DeviceState, ...]) -> Iterator[Feature]:
    """States that devices derived: broken or started, how their rings stand."""
    for device in devices:
        kind = device.kind
        yield ("device", kind, device.broken, device.started)
        for name, value in device.derived:
            yield ("derived", kind, name, message_kind(value))
        for queue in device.queues:
            if queue.num or queue.last_avail:
                yield (
                    "queue",
                    kind,
                    bucket(queue.num),
                    bucket(queue.inuse),
                    bucket((queue.shadow_avail - queue.last_avail) & 0xFFFF),
                    bucket((queue.last_avail - queue.used) & 0xFFFF),
                )
                for cache in queue.caches:
                    yield ("cache", kind, message_kind(cache))


def of_layout(outcome: Outcome) -> Iterator[Feature]:
    """Shape of the final layout: how many ranges each space has, and which regions are neighbours in `memory`."""
    for index, (space, rows) in enumerate(outcome.layout):
        yield ("ranges", space, len(rows))
        if index == 0:
            previous = ""
            for row in rows:
                yield ("neighbours", previous, row[2], row[4], row[3] != 0)
                previous = row[2]
