"""The watchdog: an execution that uses too much processor time is ended, and the campaign goes on.

What loops in the model counts its own steps and ends with the verdict `hung`; this is for what does not: a mistake of
ours, a design or a seeded bug of somebody's. An alarm rings once a second. When the execution under way has used more
than its time, the watchdog looks at the stack at several alarms in a row: the innermost function that is there each
time is the one that loops, whatever it calls. Then it raises `OutOfTime` there.

An exception can be raised between two Python instructions only; a call into C that does not return is the
supervisor's business (`fuzz.work.supervisor`). Time is the process's own, so that a busy or sleeping machine
starts no alarm. It is the one thing in a campaign that depends on a clock: what it finds is outside the promise that
equal seeds give equal campaigns.
"""

from __future__ import annotations

import signal
import time
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

PERIOD: Final = 1.0
"""Seconds between alarms."""
LOOKS: Final = 4
"""Alarms at which the stack is looked at before the execution is ended."""


class OutOfTime(BaseException):
    """An execution was ended. `where`: the function that did not end, `file.function`.

    No `Exception`, so that nothing between here and the target takes it for a design's own, or for nothing: of whatever
    was under way nothing is known.
    """

    def __init__(self, where: str, seconds: float) -> None:
        super().__init__(f"not done after {seconds:.0f} seconds of processor time")
        self.where = where


class Watchdog:
    """Ends executions that use more than `limit` seconds of processor time, and a few alarms' length."""

    def __init__(
        self,
        limit: float,
        *,
        period: float = PERIOD,
        looks: int = LOOKS,
        clock: Callable[[], float] = time.process_time,
    ) -> None:
        self._limit = limit
        self._period = period
        self._looks = looks
        self._clock = clock
        self._begun: float | None = None
        self._left = looks
        self._stack: list[str] = []

    def start(self) -> None:
        """Let alarms ring from now on; in the main thread."""
        signal.signal(signal.SIGALRM, self._on_alarm)
        signal.setitimer(signal.ITIMER_REAL, self._period, self._period)

    def stop(self) -> None:
        """No more alarms."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)

    def begin(self) -> None:
        """An execution begins."""
        self._left = self._looks
        self._begun = self._clock()

    def end(self) -> None:
        """It has ended."""
        self._begun = None

    def _on_alarm(self, _number: int, frame: FrameType | None) -> None:
        begun = self._begun
        if begun is None:
            return
        spent = self._clock() - begun
        if spent < self._limit:
            return
        stack = functions(frame)
        self._stack = stack if self._left == self._looks else common(self._stack, stack)
        self._left -= 1
        if self._left <= 0:
            self._left = self._looks
            # Should something swallow even this, the next alarms come in time: the clock goes on.
            raise OutOfTime(self._stack[-1] if self._stack else "?", spent)


def functions(frame: FrameType | None) -> list[str]:
    """The functions on a stack, outermost first, as `file.function`."""
    found: list[str] = []
    while frame is not None:
        found.append(f"{PurePath(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")
        frame = frame.f_back
    return found[::-1]


def common(one: list[str], other: list[str]) -> list[str]:
    """What two stacks begin with."""
    same: list[str] = []
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        same.append(mine)
    return same
