"""How a campaign's numbers are said: durations, counts, the estimate, a cause in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.campaign.estimate import ENOUGH, HOUR
from fuzz.campaign.figures import newest_first
from fuzz.report.causes import clock, rank

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fuzz.campaign.estimate import Estimate
    from fuzz.campaign.figures import Figures, Known
    from model.severity import Severity

_NAMED: Final = 4
"""Designs that a line names."""


def count(number: int) -> str:
    """1234567 as 1,234,567."""
    return f"{number:,}"


def ago(when: float | None, now: float) -> str:
    """How long ago that was: `3m12s ago`; "?" where nobody knows."""
    return "?" if when is None else f"{long(max(0.0, now - when))} ago"


def long(seconds: float) -> str:
    """As `clock`, with days: 2d03h."""
    hours = int(seconds) // 3600
    return f"{hours // 24}d{hours % 24:02d}h" if hours >= 24 else clock(seconds)


def amount(number: float) -> str:
    """An average: 0.3, 4.2, 120; `less than 0.1`."""
    if number < 0.05:
        return "0" if number <= 0 else "less than 0.1"
    return f"{number:.1f}" if number < 9.95 else count(round(number))


def outlook(said: Estimate, recent: int | None = None, seconds: float = 0.0) -> str:
    """What another hour brings, in a sentence; `recent` causes were found in the last `seconds`."""
    if said.causes is None:
        if not said.executions:
            return "another hour: nothing ran yet"
        return f"another hour: too early to tell, fewer than {count(ENOUGH)} executions"
    things = [] if said.features is None else [f"{amount(said.features)} more features"]
    if said.wait is not None:
        things.append(f"{amount(said.causes)} {'causes' if things else 'more causes'}")
    about = "at least" if said.beyond else "about"
    line = f"another hour: {about} {', '.join(things)}; " if things else "another hour: "
    line += "no new cause in sight" if said.wait is None else f"at present one new cause in about {_wait(said.wait)}"
    if recent is not None and seconds >= 1:
        line += f" (the last {long(min(seconds, HOUR))} brought {count(recent)})"
    return line


def _wait(seconds: float) -> str:
    return long(seconds) if seconds >= 1 else "a second"


def alike(causes: Iterable[Known]) -> list[list[Known]]:
    """Causes that differ in nothing but the design together, in the order of the newest of each."""
    found: dict[tuple[str, str], list[Known]] = {}
    for known in newest_first(causes):
        record = known.record
        found.setdefault((record.kind, record.cause.partition("/")[2]), []).append(known)
    return list(found.values())


def told(together: list[Known]) -> str:
    """Causes that are alike, in one line: `[severity] kind: text`."""
    record = together[0].record
    text = " ".join(record.text.split())
    return f"[{worst(together)}] {record.kind}: {text}"


def worst(together: list[Known]) -> Severity:
    """The rank of the worst of them."""
    return min(rank(known.record) for known in together)


def named(together: list[Known]) -> str:
    """The cause of causes that are alike, and how many designs show it."""
    cause = together[0].record.cause
    if len(together) == 1:
        return cause
    return f"<design>/{cause.partition('/')[2]} under {len(together)} designs"


def by_design(now: Figures) -> str:
    """How many causes each design has: `stale-list 3, wrap-main 2`."""
    return ", ".join(f"{name} {len(causes)}" for name, causes in now.by_design().items()) or "none"


def status_line(now: Figures, elapsed: float, clock_now: float) -> str:
    """A campaign in one line: what was done, how fast, what was found."""
    words = [
        f"{long(elapsed):>6}",
        f"{count(now.executions)} executions",
        f"{now.rate:.0f}/s",
        f"corpus {count(now.corpus)}",
        f"features {count(now.features)}" if now.features else f"situations {count(now.situations)}",
    ]
    if now.rss:
        words.append(f"{now.rss >> 20} MiB")
    causes = newest_first(now.causes)
    found = f"causes {count(len(causes))}"
    if causes:
        designs = len(now.by_design())
        found += f" ({by_design(now)})" if designs <= _NAMED else f" under {designs} designs"
        found += f", last new {ago(causes[0].when, clock_now)}"
    if now.aside:
        found += f", {count(now.aside)} set aside"
    words.append(found)
    trouble = "; ".join(f"{one.worker}: {one.trouble}" for one in now.workers if one.trouble)
    return "  ".join([*words, *([f"[{trouble}]"] if trouble else [])])
