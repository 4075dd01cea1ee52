"""What `vmfuzz run` shows while it runs: a table that is redrawn on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from rich.live import Live

from fuzz.report import status_line, status_table

if TYPE_CHECKING:
    from rich.console import Console

    from fuzz.campaign.folder import Campaign

LINE_EVERY: Final = 5.0
"""Seconds between status lines when the output is not a terminal."""


class View:
    """Live progress: a table that is redrawn on a terminal, else a line every few seconds."""

    def __init__(self, campaign: Campaign, workers: tuple[str, ...], console: Console) -> None:
        self._campaign = campaign
        self._workers = workers
        self._console = console
        self._next = 0.0
        live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._live = live
        self.live: AbstractContextManager[Any] = live or nullcontext()

    def show(self, elapsed: float) -> None:
        """Draw the state, not more often than is useful."""
        now = time.monotonic()
        if now < self._next:
            return
        if self._live is not None:
            self._next = now + 0.5
            self._live.update(status_table(self._campaign, elapsed, self._workers), refresh=True)
        else:
            self._next = now + LINE_EVERY
            self._console.print(
                status_line(self._campaign, elapsed, self._workers), markup=False, highlight=False, soft_wrap=True
            )

    def say(self, line: str) -> None:
        """Something worth a line of its own."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
