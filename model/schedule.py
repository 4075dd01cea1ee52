"""The schedule: what others do during a load, at each point where the loader lets go of the big lock (BQL).

A stream alone says nothing of the other threads of the program, and for most designs it need not. For those that depend
on them the schedule is part of the input. It is a list of steps; each says at which *point* which *actor* does what.

| point | where the loader stands | who runs there |
|---|---|---|
| `wait N` | before the N-th record: the channel has no data yet | all, if the loader waits in the main loop |
| `fields N` | within a section, behind its config space or before a post-load: more is to come | the same |
| `ram N` | at the N-th of the yields that RAM sections make by themselves (stream.md 2.8) | all |
| `turn N` | behind the N-th FULL section | all, in a design whose loader takes turns (`takes_turns`) |
| `inside N` | in the N-th transaction that has something to commit: the lock is held | readers that need none |

N counts from 0. The `wait` and `fields` of a step make the loader wait there; the others are points that come anyhow.
Who needs the lock where the loader keeps it waits, until it lets go or the load is over (`model.turns`). A point that
is never reached counts as the end of the load.

Text form: a step a line (or between semicolons), `wait 12: vcpu-remap 0000:00:02.0 4 0xfe000000`. Beside a stream it
lies in the crasher's JSON; within one file it is a trailer (`join`, `split`), so that a fuzzer's input is one string of
bytes. QEMU reads nothing behind a stream's end, so a stream with a trailer still loads there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Point = Literal["wait", "fields", "ram", "turn", "inside"]
POINTS: Final[tuple[Point, ...]] = get_args(Point)
MAX_STEPS: Final = 64
"""Steps in a schedule; more are refused."""
MAX_TEXT: Final = 1 << 13
"""Bytes of a schedule's text; more are refused."""
MARK: Final = b"VMFZSCHD"
"""The last bytes of a file whose end is a schedule; four bytes before them give the length of its text."""

_STEP: Final = re.compile(r"(\w+)\s+(\d{1,9})\s*:\s*(.+)")
_WORD: Final = re.compile(r"[!-:<-~]+")


class ScheduleError(ValueError):
    """A schedule that cannot be read, in one line: which step, what was expected, what was found."""


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """At a point, an actor (`model.actors`) does something; its arguments are words."""

    point: Point
    number: int
    actor: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.point} {self.number}: {' '.join((self.actor, *self.arguments))}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps in order: those of one point run in this order."""

    steps: tuple[Step, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        """The text form, a line a step."""
        return "\n".join(map(str, self.steps))

    def to_json(self) -> list[str] | None:
        """A crasher's `schedule`: the steps' texts, null for none."""
        return [str(step) for step in self.steps] or None

    @classmethod
    def parse(cls, text: str | Iterable[str] | None) -> Schedule:
        """The inverse of `str()` and of `to_json`. Raises ScheduleError."""
        if text is None:
            return EMPTY_SCHEDULE
        lines = re.split(r"[;\n]", text) if isinstance(text, str) else list(text)
        steps = tuple(_step(str(line).strip()) for line in lines if str(line).strip())
        if len(steps) > MAX_STEPS:
            msg = f"schedule: expected at most {MAX_STEPS} steps, found {len(steps)}"
            raise ScheduleError(msg)
        return cls(steps)


EMPTY_SCHEDULE: Final = Schedule()


def _step(line: str) -> Step:
    match = _STEP.fullmatch(line)
    if match is None or match[1] not in POINTS:
        msg = f"schedule: expected `POINT N: ACTOR ...` with a point of {', '.join(POINTS)}, found {line[:80]!r}"
        raise ScheduleError(msg)
    words = match[3].split()
    if not all(_WORD.fullmatch(word) for word in words):
        msg = f"schedule: expected words of ASCII, found {line[:80]!r}"
        raise ScheduleError(msg)
    point: Point = next(point for point in POINTS if point == match[1])
    return Step(point, int(match[2]), words[0], tuple(words[1:]))


def join(stream: bytes, schedule: Schedule) -> bytes:
    """One string of bytes: the stream, and behind it the schedule if there is one."""
    if not schedule:
        return stream
    text = str(schedule).encode()
    return b"".join((stream, text, len(text).to_bytes(4, "big"), MARK))


def split(data: bytes) -> tuple[bytes, Schedule]:
    """The inverse of `join`. What ends otherwise, or with a schedule that cannot be read, is a stream alone."""
    if not data.endswith(MARK):
        return data, EMPTY_SCHEDULE
    end = len(data) - len(MARK) - 4
    length = int.from_bytes(data[max(end, 0) : end + 4], "big")
    if end < 0 or length > min(end, MAX_TEXT):
        return data, EMPTY_SCHEDULE
    try:
        return data[: end - length], Schedule.parse(data[end - length : end].decode("ascii"))
    except (ScheduleError, UnicodeDecodeError):
        return data, EMPTY_SCHEDULE
