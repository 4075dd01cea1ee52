"""What a load and its design have said to each other.

The two take turns. The load calls a hook; the design does things (opens a transaction, commits, builds a cache, ...),
of which each has a result, and between which the load may call more hooks; at last the hook returns or raises, and the
load goes on to the next, and in the end to its outcome. The load sees nothing of the design but what it does and
returns, and it is deterministic. So **what a load says next is settled by the stream and by what the design has
answered so far**: a design that, asked what the transcript of another's load says, gives the same answers all the way
would have been led to the same outcome, and need not be loaded under.

What a design may learn of the load is in the transcript: the arguments of its hooks and a few facts. Things that are
made anew in every load stand there by number, in the order in which the load showed them. Where a design looks further,
its load is not written down, and it is not rehearsed (`seen`).

A transcript is a list of entries, tuples that begin with

- `PASSED`, hook, arguments: the design does nothing at this hook, ever;
- `CALLED`, hook, arguments: what the design does comes next;
- `DID`, who, what, arguments...: the design has somebody do something;
- `GAVE` or `DIED`, the result or the exception: what came of that;
- `ANSWERED`, how: the hook has returned, or raised;
- `COMMITTED`, devices, views: of many devices that hear of one commit, under a design that has each build its caches
  and gives each the current view; it stands for the entries that `spelled_out` makes of it.

Those of the load (`PASSED`, `CALLED`, `GAVE`, `DIED`, `COMMITTED`) are `FACTS` longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.designs import Design
from model.errors import Abort, Exit, Hang

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model.outcome import Outcome

PASSED, CALLED, DID, GAVE, DIED, ANSWERED, COMMITTED = range(7)

DEPTH, UPDATE_PENDING, HAS_LOCK, FULL_SECTION, SECTION, ACTOR, RUNNING, VIEW = FACTS = range(3, 11)
"""Where the facts stand in an entry. `VIEW`: the number of the current view of the space that is being asked for."""

MOST: Final = 50_000
"""Entries kept of one stream, some 8 MB."""

DEATHS: Final = (Abort, Exit, Hang)
"""Exceptions that are part of what the modelled program does."""

NO_OPS: Final = frozenset({
    "load_begins", "load_ends", "loop_begins", "loop_ends", "section_begins", "section_ends", "end_of_stream",
    "before_post_load", "lock_released", "run_state_change",
})  # fmt: skip
"""Hooks that do nothing unless a design says so."""

Entry = tuple[Any, ...]
NOTHING: Final[Entry] = (ANSWERED, None)
CURRENT: Final[Entry] = (ANSWERED, "the current view")


class Transcript:
    """One load to its end."""

    __slots__ = ("_in_full", "asks", "entries", "outcome")

    def __init__(self, asks: Entry, entries: list[Entry], outcome: Outcome) -> None:
        self.asks, self.entries, self.outcome = asks, entries, outcome
        self._in_full: list[Entry] | None = None

    def entries_for(self, design: type[Design]) -> list[Entry]:
        """The entries for who does the same at each commit as it was done here; all of them for everybody else."""
        if does_as_usual(design):
            return self.entries
        if self._in_full is None:
            self._in_full = list(spelled_out(self.entries))
        return self._in_full


def does_as_usual(design: type[Design]) -> bool:
    """Whether a commit has each device build its caches by the current view, under this design."""
    return design.listener_commit is Design.listener_commit and design.flat_view is Design.flat_view


def spelled_out(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The same entries without those that stand for others."""
    for entry in entries:
        if entry[0] != COMMITTED:
            yield entry
            continue
        _, devices, views, *facts = entry
        for device, space, uses in devices:
            yield (CALLED, "listener_commit", (device,), *facts)
            yield (DID, device[0], "build_caches")
            for use in uses:
                yield (CALLED, "flat_view", (space, use), *facts[:-1], views[space[0]])
                yield CURRENT
            yield (GAVE, None, None, *facts)
            yield NOTHING


def asks(design: Design) -> Entry:
    """What a load asks of a design besides its hooks: where this differs, so may all that follows."""
    return (design.asks_in_commit, design.takes_turns)


def silent(design: type[Design]) -> frozenset[str]:
    """The hooks at which a design does nothing."""
    return frozenset(hook for hook in NO_OPS if getattr(design, hook) is getattr(Design, hook))


def death(stop: BaseException, hook: str, design: Design) -> Entry:
    """How a hook ended that raised; who guards is judged for having stopped a use of a view."""
    return (ANSWERED, type(stop), str(stop), hook == "flat_view" and design.guards)
