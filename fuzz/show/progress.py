"""How far a long command is, for a person who waits: a line on the terminal that vanishes."""

from __future__ import annotations

import sys
import time
from typing import IO, TYPE_CHECKING, Final

from vmformat.render.line import size

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE: Final = 1.0
"""Seconds before anything is said."""

_EVERY: Final = 0.2
_WIPE: Final = "\r\x1b[K"


class Line:
    """A line that changes: call it with what makes its text. Says nothing unless standard error is a terminal."""

    def __init__(
        self, out: IO[str] | None = None, clock: Callable[[], float] = time.monotonic, patience: float = _PATIENCE
    ) -> None:
        self._out = sys.stderr if out is None else out
        self._clock = clock
        self._next = clock() + patience
        self._on = self._out.isatty()
        self._said = False

    def __call__(self, text: Callable[[], str]) -> None:
        """So far it is."""
        if not self._on:
            return
        now = self._clock()
        if now < self._next:
            return
        self._next = now + _EVERY
        self._said = True
        self._out.write(f"{_WIPE}{text()}")
        self._out.flush()

    def done(self) -> None:
        """Take the line away."""
        if self._said:
            self._out.write(_WIPE)
            self._out.flush()
            self._said = False


class Progress:
    """Call it with how many of `total` bytes are done."""

    def __init__(self, total: int, out: IO[str] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = max(total, 1)
        self._line = Line(out, clock)

    def __call__(self, done: int) -> None:
        """So far it is."""
        self._line(lambda: f"{min(done / self._total, 1):4.0%} of {size(self._total)}")

    def done(self) -> None:
        """Take the line away."""
        self._line.done()
