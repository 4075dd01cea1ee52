"""What a campaign shows while it runs: a screen that is redrawn on a terminal, lines elsewhere, nothing when quiet."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.live import Live

from fuzz.campaign.estimate import HOUR
from fuzz.campaign.figures import Figures, figures
from fuzz.campaign.history import History
from fuzz.campaign.watch import Watch
from fuzz.report.aside import known_in
from fuzz.report.news import News
from fuzz.report.screen import About, Moment, screen
from fuzz.report.words import by_design, outlook, status_line
from vmformat.render.line import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from fuzz.campaign.folder import Campaign, Settings
    from fuzz.campaign.spec import Spec
    from fuzz.campaign.stats import Stats
    from fuzz.report.aside import Aside

REDRAWN: Final = 0.5
"""Seconds between two looks, at least."""
SHARE: Final = 50
"""How many times as long as a look took the next one is away, at least: looking takes 2 % of a core at most."""
PACE: Final = ((60.0, 5.0), (600.0, 30.0))
"""Lines of a log: up to so many seconds after the start, so many seconds apart; then a minute."""

OUTLOOK: Final = 600.0
"""Seconds between the longer words of a log: causes of each design, and what another hour brings."""


@dataclass(frozen=True, slots=True)
class Looker:
    """Reads a campaign's figures again and again. `workers`: those of the present run, all where it is None."""

    watch: Watch
    workers: Collection[str] | None
    aside: Callable[[str], bool]
    """Whether a cause does not count."""
    seen: Callable[[Stats], Stats] = lambda one: one
    """What is made of what a worker says."""

    def look(self) -> Figures:
        """The figures now."""
        return figures(self.watch.findings(), self.stats(), self.workers, self.aside)

    def stats(self) -> tuple[Stats, ...]:
        """What workers say."""
        return tuple(map(self.seen, self.watch.stats()))


class View:
    """Shows a campaign. What is worth a line of its own (`say`) stands above the screen; if quiet, among the errors.

    `stays`: the last screen is still there when it is over.
    """

    def __init__(
        self,
        looker: Looker,
        about: About,
        console: Console,
        history: History | None = None,
        *,
        quiet: bool = False,
        stays: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._looker = looker
        self._about = about
        self._console = Console(stderr=True, emoji=False) if quiet else console
        self._history = history
        self._quiet = quiet
        self._clock = clock
        self._news = News(looker.look())
        self._next = self._next_line = 0.0
        self._next_outlook = OUTLOOK
        self._elapsed = 0.0
        self._trouble = self._failure = ""
        drawn = not quiet and draws(console)
        live = Live(console=console, auto_refresh=False, transient=not stays) if drawn else None
        self._live = live
        self.live: AbstractContextManager[Any] = live or nullcontext()

    def show(self, elapsed: float) -> None:
        """Show and write down how it is `elapsed` seconds after the start, not more often than is useful."""
        if elapsed < self._elapsed:  # somebody has started it again
            self._next_line, self._next_outlook = elapsed, elapsed + OUTLOOK
        self._elapsed = elapsed
        if self._clock() < self._next:
            return
        worked = time.process_time()
        try:
            self._show(elapsed)
        except Exception as error:  # noqa: BLE001 - a mistake in what is shown is no reason to end what runs
            self._failed(f"cannot show the campaign: {type(error).__name__}: {error}; it goes on")
        self._next = self._clock() + max(REDRAWN, SHARE * (time.process_time() - worked))

    def _show(self, elapsed: float) -> None:
        now = self._looker.look()
        if self._history is not None and self._history.due(elapsed):
            self._write(now, None)
        if self._live is not None:
            moment = Moment(elapsed, time.time())
            # One line is left for what stands below: the cursor, and a shell's prompt when it is over.
            size = self._console.size
            drawn = screen(self._about, now, moment, size.height - 1, size.width)
            with suppress(OSError):
                self._live.update(drawn, refresh=True)
        elif not self._quiet:
            self._log(now, elapsed)

    def _failed(self, why: str) -> None:
        if why != self._failure:
            self._failure = why
            self.say(why)

    def ended(self, reason: str) -> None:
        """The campaign is over: the last line for programs, and causes that nobody was told of yet."""
        try:
            now = self._looker.look()
            self._write(now, reason)
            if self._live is None and not self._quiet:
                for line in (*self._news.lines(now), *self._news.rest()):
                    self.say(line)
        except Exception as error:  # noqa: BLE001 - the report is still to come
            self._failed(f"cannot show how the campaign ended: {type(error).__name__}: {error}")

    def say(self, line: str) -> None:
        """Something worth a line of its own. Where it goes may be full, too; that is no reason to end."""
        with suppress(OSError):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _log(self, now: Figures, elapsed: float) -> None:
        for line in self._news.lines(now):
            self.say(line)
        if elapsed >= self._next_line:
            pace = next((apart for until, apart in PACE if elapsed < until), 60.0)
            self._next_line = elapsed + pace
            for line in (*self._news.rest(), status_line(now, elapsed, time.time())):
                self.say(line)
        if elapsed >= self._next_outlook:
            self._next_outlook = elapsed + OUTLOOK
            self.say(f"causes by design: {by_design(now)}")
            self.say(outlook(now.estimate, now.recent(time.time(), min(elapsed, HOUR)), elapsed))

    def _write(self, now: Figures, ended: str | None) -> None:
        history = self._history
        if history is None:
            return
        history.write(self._elapsed, now, ended)
        if history.trouble and history.trouble != self._trouble:
            self.say(f"{history.trouble}; its lines are dropped until there is room")
        self._trouble = history.trouble


def draws(console: Console) -> bool:
    """Whether it is a screen that can be drawn upon; that somebody wants colours in a file (FORCE_COLOR) makes none."""
    return console.is_terminal and not console.is_dumb_terminal and console.file.isatty()


def view_of_run(
    campaign: Campaign, specs: Sequence[Spec], console: Console, aside: Aside | None, *, quiet: bool
) -> View:
    """For a start of a campaign with these workers; its own file says what is set aside where `aside` is None."""
    settings = campaign.settings()
    history = History(campaign.path, settings.runs)
    baseline = (known_in(campaign)[0] if aside is None else aside).baseline
    looker = Looker(Watch(campaign), [spec.worker for spec in specs], baseline.sets_aside)
    about = about_campaign(campaign, settings, "Ctrl-C ends it; everything found is kept")
    view = View(looker, about, console, history, quiet=quiet)
    for line in history.repair():
        view.say(line)
    return view


def about_campaign(campaign: Campaign, settings: Settings, hint: str) -> About:
    """What the screen says of a campaign's settings."""
    names = tuple(text for text in settings.designs if ":" not in text)
    designs = "" if settings.target == "roundtrip" else f", {plural(len(settings.designs), 'design')}"
    machines = f" on {', '.join(settings.machines)}" if settings.machines else ""
    what = f"{settings.target}{machines}{designs}, seed {settings.seed}, start {settings.runs}"
    return About(str(campaign.path), what, () if settings.target == "roundtrip" else names, hint)
