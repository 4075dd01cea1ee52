"""What a way of searching calls with its inputs: it counts, and ends the search with the first that shows the bug.

All ways but our own worker, which counts by itself, go through here, so that an execution is the same to each.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from fuzz.engine.target import RAISED, Execution, exception_found
from fuzz.engine.watchdog import Watchdog
from fuzz.search.asked import FOUND, LATE, SPENT, TIMEOUT, Attempt
from fuzz.search.engine import is_alone

if TYPE_CHECKING:
    from fuzz.engine import Target
    from fuzz.search.asked import Search

_LOOK: Final = 1.0
"""Seconds between looks at whether somebody still waits for the answer."""


class Ended(BaseException):
    """The search is over. No `Exception`, so that no way of searching takes it for a finding or a mistake."""


class Hunt:
    """One search's target. The clock starts with the first call."""

    def __init__(self, target: Target, search: Search) -> None:
        self._target = target
        self._search = search
        self._watchdog = Watchdog(TIMEOUT)
        self._started = 0.0
        self._looked = 0.0
        self.executions = 0
        self.attempt: Attempt | None = None
        """How it ended."""

    @property
    def seconds(self) -> float:
        """Since the first execution."""
        return time.monotonic() - self._started if self.executions else 0.0

    def __call__(self, data: bytes) -> Execution:
        """One execution. Raises Ended when it shows the bug, and in place of one beyond what may be spent."""
        now = time.monotonic()
        if not self.executions:
            self._started = now
            self._watchdog.start()
        if self.executions >= self._search.executions:
            self._end(SPENT)
        if now - self._started >= self._search.seconds:
            self._end(LATE)
        if now - self._looked >= _LOOK:
            self._looked = now
            if is_alone():
                os._exit(1)
        self.executions += 1
        execution = self._run(data)
        causes = sorted(one.cause for one in execution.found if one.design in self._search.watched)
        if causes:
            self._end(FOUND, causes[0], data)
        return execution

    def _run(self, data: bytes) -> Execution:
        try:
            self._watchdog.begin()
            execution = self._target.run(data)
            self._watchdog.end()
        except RAISED as error:
            self._watchdog.end()
            return Execution((), (exception_found("any", error),))
        return execution

    def _end(self, ended: str, cause: str = "", witness: bytes = b"") -> None:
        self._watchdog.stop()
        self.attempt = Attempt(ended, self.executions, self.seconds, cause, witness)
        raise Ended
