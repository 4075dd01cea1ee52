"""New causes, a line each, for a log: at once, and not hundreds of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.report.words import alike, count, named, told, worst

if TYPE_CHECKING:
    from fuzz.campaign.figures import Figures

AT_ONCE: Final = 5
"""Lines of new causes between two status lines; how many more there were is said before the second."""


class News:
    """Tells of each cause once; of those that differ in nothing but the design in one line."""

    def __init__(self, now: Figures) -> None:
        self._known = {known.record.cause for known in now.causes}
        self._room = AT_ONCE
        self._untold = 0

    def lines(self, now: Figures) -> list[str]:
        """What is new since the last call, the worst first."""
        new = [known for known in now.causes if known.record.cause not in self._known]
        self._known.update(known.record.cause for known in new)
        lines: list[str] = []
        for together in sorted(alike(new), key=worst):
            if self._room:
                self._room -= 1
                first = min(known.record.first for known in together)
                lines.append(f"new cause after {count(first)} executions: {told(together)} ({named(together)})")
            else:
                self._untold += len(together)
        return lines

    def rest(self) -> list[str]:
        """A line for those that were too many, if there were any; then there is room again."""
        untold, self._untold, self._room = self._untold, 0, AT_ONCE
        return [f"... and {count(untold)} more new cause{'s' * (untold > 1)}"] if untold else []
