"""`vmfuzz triage`: the causes of campaigns and crashers, and their states in a file that people edit."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from fuzz.designs import UsageError, design_named, text_of
from fuzz.show.progress import Line
from fuzz.triage.entries import STATES, TRIAGE_FILE, TriageError
from fuzz.triage.look import look
from fuzz.triage.show import show, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fuzz.triage.replay import Answer
    from fuzz.triage.witness import Witness

_PLAIN: Final[dict[str, Any]] = {"markup": False, "highlight": False, "soft_wrap": True}


@dataclass(frozen=True, slots=True)
class TriageOptions:
    """What `vmfuzz triage` was asked."""

    folders: tuple[Path, ...]
    """Campaigns, or folders of crashers."""
    file: Path | None = None
    """The file of states; that in the folder, if there is one folder only."""
    replay: bool = True
    jobs: int | None = None
    """Processes that replay; one for each processor if not given."""
    states: tuple[str, ...] = ()
    """Show only these."""
    designs: tuple[str, ...] = ()
    """FILE:CLASS of a user's own."""
    as_json: bool = False


def triage(options: TriageOptions, console: Console | None = None, moment: datetime | None = None) -> int:
    """Bring the file up to date and show it. `moment`: now, UTC.

    Exit status: 0, 1 when a cause is new or back again, 2 for a folder, file or option that cannot be used.
    """
    complaints = Console(stderr=True, emoji=False)
    moment = (moment or datetime.now(UTC)).replace(microsecond=0)
    line = Line()
    try:
        file = _file(options)
        _check(options.states)
        own = tuple(text_of(design_named(text)) for text in options.designs)

        def replay(wanted: Sequence[tuple[str, Witness]]) -> Mapping[str, Answer]:
            from fuzz.triage.replay import replay, tasks  # noqa: PLC0415 - it imports all that a worker does

            asked = tasks(wanted)
            return replay(asked, options.jobs or _processors(), lambda done: line(lambda: _progress(done, len(asked))))

        found = look(options.folders, file, moment, own=own, replay=replay if options.replay else None)
    except (TriageError, UsageError) as error:
        line.done()
        complaints.print(f"vmfuzz triage: {error}", **_PLAIN)
        return 2
    except KeyboardInterrupt:
        line.done()
        complaints.print("vmfuzz triage: stopped; nothing was changed", **_PLAIN)
        return 130
    line.done()
    console = console or Console(emoji=False)
    if options.as_json:
        console.print_json(json.dumps(to_json(found, options.states)))
    else:
        show(console, found, options.states)
    return 1 if any(row.is_open for row in found.rows) else 0


def _file(options: TriageOptions) -> Path:
    if options.file is not None:
        return options.file
    if len(options.folders) != 1:
        raise UsageError(f"--file: not given, and there are {len(options.folders)} folders to keep it in")
    return options.folders[0] / TRIAGE_FILE


def _check(states: Sequence[str]) -> None:
    for state in states:
        if state not in STATES:
            raise UsageError(f"--state {state}: no such state; there are {', '.join(STATES)}")


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _progress(done: int, all_: int) -> str:
    return f"{done} of {all_} witnesses replayed"
