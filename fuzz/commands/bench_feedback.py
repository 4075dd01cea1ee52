"""`vmfuzz bench --feedback`: the same search told different things, from several seeds (docs/situations.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.console import Console

from fuzz.corpus import CorpusError, find_machine
from fuzz.designs import UsageError, design_named, seeded_designs, text_of
from fuzz.engine import available
from fuzz.feedback import Feedback, FeedbackError
from fuzz.feedback.ablation import Ablation
from fuzz.feedback.table import table, to_json
from fuzz.feedback.trial import TrialError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fuzz.feedback.reach import Reach

SEEDS: Final = 5
WIDTH: Final = 140


@dataclass(frozen=True, slots=True)
class FeedbackOptions:
    """What is asked for. `designs` beside the reference; `bugs` are looked for as well. `folder`: for results."""

    feedbacks: tuple[str, ...]
    folder: Path
    machines: tuple[str, ...] = ()
    designs: tuple[str, ...] = ()
    bugs: tuple[str, ...] = ()
    seeds: int | None = None
    executions: int = 10_000
    jobs: int = 1
    as_json: bool = False


def bench_feedback(options: FeedbackOptions, console: Console | None = None) -> int:
    """Search and print. Exit status: 0; 1 when a search failed, 2 for options that cannot be used, 130 after Ctrl-C."""
    console = console or _console()
    try:
        ablation = _ablation(options)
    except (CorpusError, UsageError, FeedbackError) as error:
        return _complain(str(error))
    results: dict[str, dict[int, Reach]] = {feedback: {} for feedback in ablation.feedbacks}
    status = 0
    try:
        for feedback, seed, reach in ablation.results():
            results[feedback][seed] = reach
            if not options.as_json:
                line = f"{feedback}, seed {seed}: {reach.situations:,} situations, {len(reach.causes):,} causes"
                console.print(line, markup=False, highlight=False)
    except KeyboardInterrupt:
        status = 130
    except (TrialError, OSError) as error:
        status = _complain(str(error)) - 1
    shown = {feedback: [found[seed] for seed in sorted(found)] for feedback, found in results.items()}
    if options.as_json:
        print(json.dumps(to_json(shown), indent=2))
    else:
        console.print(table(shown))
    return status


def _ablation(options: FeedbackOptions) -> Ablation:
    """What is asked, looked at. Raises UsageError, CorpusError and FeedbackError."""
    if available():
        raise UsageError(available())
    if len(options.machines) > 1:
        raise UsageError(f"--machine {options.machines[1]}: searches are made on one machine")
    machine = find_machine(options.machines[0] if options.machines else "pc-small")
    if not machine.seeds:
        raise CorpusError(f"machine {machine.name}: has no seeds, and a search begins with some")
    for text in options.feedbacks:
        Feedback.parse(text)
    designs: Sequence[str] = options.designs or ("wrap-main",)
    chosen = [text_of(design_named(name)) for name in designs]
    for bug in options.bugs:
        chosen += [text_of(design) for design in seeded_designs(bug, ("per-device",))]
    seeds = tuple(range(1, (options.seeds or SEEDS) + 1))
    feedbacks = tuple(dict.fromkeys(options.feedbacks))
    return Ablation(machine, tuple(chosen), feedbacks, seeds, options.executions, options.folder, options.jobs)


def _console() -> Console:
    """Wide enough for the table where nobody looks at a terminal."""
    console = Console(emoji=False)
    return console if console.is_terminal else Console(emoji=False, width=WIDTH)


def _complain(why: str) -> int:
    Console(stderr=True, emoji=False).print(f"vmfuzz bench: {why}", markup=False, highlight=False, soft_wrap=True)
    return 2
