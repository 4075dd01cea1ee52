"""`vmfuzz confirm`: streams, or mutants of a machine's own, in the model and in a real QEMU; where they disagree."""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from fuzz import qemu
from fuzz.beside import named_from
from fuzz.commands.load import machine_of
from fuzz.confirm import Against, Category, hold
from fuzz.confirm.families import FAMILIES
from fuzz.confirm.parity import Bench, Tally, campaign
from fuzz.corpus import CorpusError, find_machine, find_stream
from fuzz.crashers import write_crasher
from fuzz.designs import UsageError, named_designs
from fuzz.explain.table import STYLES
from fuzz.qemu import DEFAULT_BINARY, PATIENCE, QemuError
from fuzz.work.build import make_mutator
from model import DescriptionError, Machine, parse
from model.schedule import split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.confirm import Comparison, Held
    from fuzz.confirm.parity import Result

LINE_EVERY: Final = 5.0
"""Seconds between lines of progress when the output is not a terminal."""

MOST_LINES: Final = 8
"""Lines shown of one mutant; its crasher has them all."""

_COLUMNS: Final = {
    Category.SECTION: "section",
    Category.MESSAGES: "lines",
    Category.REBUILDS: "rebuilds",
    Category.VIEWS: "views",
    Category.QUEUES: "queues",
    Category.STATE: "state",
}


@dataclass(frozen=True, slots=True)
class ConfirmOptions:
    """What `vmfuzz confirm` was asked. `timeout` is in seconds, for each load of the program."""

    streams: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    qemu: str = DEFAULT_BINARY
    against: str | None = None
    design: str = "per-device"
    mutate: int = 0
    single: bool = False
    seed: int = 1
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    crashers: Path = Path("disagreements")
    timeout: float = PATIENCE
    as_json: bool = False


def run(options: ConfirmOptions, console: Console | None = None) -> int:
    """Confirm and print. Exit status: 0 all agree, 1 disagreements, 2 something that cannot be used."""
    complaints = Console(stderr=True, emoji=False)
    console = console or Console(stderr=options.as_json, emoji=False)
    try:
        against = _against(options)
        if options.mutate:
            return _mutants(options, against, console)
        return _streams(options, against, console)
    except (UsageError, CorpusError, DescriptionError, QemuError) as error:
        complaints.print(f"vmfuzz confirm: {error}", markup=False, highlight=False, soft_wrap=True)
    except OSError as error:
        line = f"{error.filename or 'output'}: {error.strerror}"
        complaints.print(f"vmfuzz confirm: {line}", markup=False, highlight=False, soft_wrap=True)
    return 2


def _against(options: ConfirmOptions) -> Against:
    designs = named_designs((options.design,))
    if len(designs) != 1:
        msg = f"--design {options.design}: expected the name of one design"
        raise UsageError(msg)
    second = None if options.against is None else qemu.find_binary(options.against)
    return Against(designs[0], qemu.find_binary(options.qemu), second, options.timeout)


def _machine(text: str) -> Machine:
    path = find_machine(text).description
    try:
        return Machine(parse(path.read_bytes()))
    except DescriptionError as error:
        msg = f"machine {text}: {error}"
        raise UsageError(msg) from None


# One stream after the other


def _streams(options: ConfirmOptions, against: Against, console: Console) -> int:
    """The streams named, or else the seeds of the machines named."""
    asked = [(stream, options.machines[0] if options.machines else None) for stream in options.streams]
    if not asked:
        asked = [(str(path), name) for name in options.machines for path in find_machine(name).seeds]
    if not asked:
        msg = "no STREAM: name one or more, or a --machine that has seeds"
        raise UsageError(msg)
    if options.streams and len(options.machines) > 1:
        msg = f"--machine: expected one for streams, found {len(options.machines)}"
        raise UsageError(msg)
    built: dict[str, Machine] = {}
    held: list[tuple[str, Held]] = []
    with nullcontext() if not console.is_terminal else console.status("loading in QEMU"):
        for stream, machine in asked:
            name = machine_of(stream, machine)
            data, _ = split(find_stream(stream).read_bytes())  # a schedule is none of QEMU's business
            if name not in built:
                built[name] = _machine(name)
            shown = stream if options.streams else f"{built[name].name}/{Path(stream).stem}"
            held.append((shown, hold(built[name], data, against)))
    if options.as_json:
        told = [{"stream": stream, **one.to_json()} for stream, one in held]
        print(json.dumps({"design": options.design, "streams": told}, indent=2))
    else:
        _show_streams(console, held)
    return 1 if any(one.unexplained for _, one in held) else 0


def _show_streams(console: Console, held: Sequence[tuple[str, Held]]) -> None:
    several = any(len(one.comparisons) > 1 for _, one in held)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("stream", overflow="fold")
    if several:
        table.add_column("sides", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for column in _COLUMNS.values():
        table.add_column(column, no_wrap=True)
    for stream, one in held:
        for comparison in one.comparisons:
            sides = [f"{comparison.one.name}, {comparison.other.name}"] if several else []
            marks = [_mark(comparison, category) for category in _COLUMNS]
            table.add_row(stream, *sides, _verdicts(comparison), *marks)
    console.print(table)
    for stream, one in held:
        for line in one.lines:
            console.print(Text(f"{stream}: {line}"), soft_wrap=True)
        for what in one.outcome.not_modelled:
            console.print(Text(f"{stream}: not modelled: {what}"), soft_wrap=True)


def _verdicts(comparison: Comparison) -> Text:
    one, other = comparison.one.verdict, comparison.other.verdict
    if one == other:
        return Text(one, style=STYLES[one])
    return Text.assemble((one, STYLES[one]), " / ", (other, STYLES[other]))


def _mark(comparison: Comparison, category: Category) -> Text:
    if category not in comparison.compared:
        return Text("-", style="dim")
    if category is Category.REBUILDS and comparison.agrees(category):
        return Text(str(comparison.one.rebuilds), style="green")
    return Text("same", style="green") if comparison.agrees(category) else Text("differ", style="red")


# Mutants


def _benches(options: ConfirmOptions) -> list[Bench]:
    names = list(options.machines) or list(dict.fromkeys(machine_of(stream, None) for stream in options.streams))
    if not names:
        msg = "--mutate: expected a --machine whose seeds are to be mutated"
        raise UsageError(msg)
    if options.streams and len(names) > 1:
        msg = f"--machine: expected one for streams, found {len(names)}"
        raise UsageError(msg)
    benches = []
    for name in names:
        machine = _machine(name)
        paths = [find_stream(stream) for stream in options.streams] or list(find_machine(name).seeds)
        if not paths:
            msg = f"machine {name}: no seed streams to be mutated"
            raise UsageError(msg)
        streams = tuple((f"{machine.name}/{path.stem}", path.read_bytes()) for path in paths)
        mutator = make_mutator(machine.description, [data for _, data in streams])
        benches.append(Bench(name, machine, streams, mutator))
    return benches


def _mutants(options: ConfirmOptions, against: Against, console: Console) -> int:
    benches = _benches(options)
    tally = Tally()
    kept: list[dict[str, Any]] = []
    progress = _Progress(console, options.mutate, quiet=options.as_json)
    results = campaign(benches, options.mutate, options.seed, against, options.jobs, single=options.single)
    stopped: QemuError | None = None
    try:
        with progress, closing(results):
            for result in results:
                tally.add(result)
                if not result.held.agrees:
                    path = _keep(options, result)
                    kept.append(_told(result, path))
                    progress.tell(result, path)
                progress.show(tally)
    except KeyboardInterrupt:
        console.print("stopped; every disagreement is kept", highlight=False)
    except QemuError as error:
        stopped = error
    if options.as_json:
        print(json.dumps({"seed": options.seed, **tally.to_json(), "disagreements": kept}, indent=2))
    else:
        _report(console, tally, options)
    if stopped is not None:
        raise stopped
    return 1 if tally.agreeing + tally.explained < tally.held else 0


def _keep(options: ConfirmOptions, result: Result) -> Path:
    """A crasher whose expectation is what the real program did."""
    one, program = result.mutant, result.held.comparisons[0].other
    name = f"{Path(one.machine).name}-{hashlib.sha256(one.data).hexdigest()[:12]}"
    expect: dict[str, Any] = {"verdict": program.verdict}
    if program.verdict == "accepted":
        expect["rebuilds"] = program.rebuilds
    notes = {
        "confirm": {
            "seed": options.seed,
            "mutant": one.number,
            "single_field": options.single,
            "parent": one.parent,
            "messages": list(program.messages),
            "disagreements": list(result.held.lines),
        }
    }
    machine = named_from(options.crashers, one.machine)
    return write_crasher(options.crashers, name, one.data, machine, {options.design: expect}, notes).path


def _told(result: Result, path: Path) -> dict[str, Any]:
    one = result.mutant
    return {
        "mutant": one.number,
        "machine": one.machine,
        "parent": one.parent,
        "family": one.family,
        "crasher": str(path),
        **result.held.to_json(),
    }


def _report(console: Console, tally: Tally, options: ConfirmOptions) -> None:
    explained = f", {tally.explained} explained" if tally.explained else ""
    title = f"{tally.held} mutants, seed {options.seed}: {tally.agreeing} agree{explained}"
    table = Table(title=title, title_justify="left")
    table.add_column("compared")
    for name in ("loads", "agree", "disagree", "agreement"):
        table.add_column(name, justify="right")
    for category in Category:
        _row(table, category.value, tally.compared[category], tally.agreed[category])
    console.print(table)
    table = Table(title="Verdicts by what was changed", title_justify="left")
    table.add_column("changed")
    for name in ("mutants", "same verdict", "other verdict", "agreement"):
        table.add_column(name, justify="right")
    for name in FAMILIES:
        equal, different = tally.families[name, True], tally.families[name, False]
        _row(table, name, equal + different, equal)
    console.print(table)
    pairs = ", ".join(
        f"{count} {model}" if model == program else f"{count} {model} (qemu: {program})"
        for (model, program), count in sorted(tally.verdicts.items())
    )
    console.print(f"verdicts: {pairs or 'none'}", highlight=False, soft_wrap=True)
    if tally.agreeing < tally.held:
        console.print(f"disagreements are kept in {options.crashers}", highlight=False, soft_wrap=True)


def _row(table: Table, name: str, total: int, equal: int) -> None:
    if not total:
        return
    style = "" if equal == total else "red"
    table.add_row(name, str(total), str(equal), str(total - equal), Text(f"{100 * equal / total:.2f} %", style=style))


class _Progress:
    """A bar on a terminal, else a line every few seconds; disagreements as they come."""

    def __init__(self, console: Console, total: int, *, quiet: bool) -> None:
        self._console = console
        self._total = total
        self._start = self._last = time.monotonic()
        self._bar: Progress | None = None
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=console, transient=True)
            self._task = self._bar.add_task("mutants", total=total)
        self._quiet = quiet

    def __enter__(self) -> None:
        if self._bar is not None:
            self._bar.start()

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, result: Result, path: Path) -> None:
        """A disagreement."""
        if self._quiet:
            return
        one, lines = result.mutant, result.held.lines
        self._say(f"mutant {one.number} of {one.parent} ({one.family}): {len(lines)} disagreements")
        for line in lines[:MOST_LINES]:
            self._say(f"    {line}")
        if len(lines) > MOST_LINES:
            self._say(f"    and {len(lines) - MOST_LINES} more")
        self._say(f"    kept as {path}")

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, tally: Tally) -> None:
        """How far it is."""
        text = f"{tally.agreeing} agree, {tally.held - tally.agreeing} disagree"
        if tally.explained:
            text += f" ({tally.explained} of them not modelled)"
        if self._bar is not None:
            self._bar.update(self._task, completed=tally.held, description=text)
            return
        now = time.monotonic()
        if now - self._last >= LINE_EVERY:
            self._last = now
            line = f"{now - self._start:5.0f}s  {tally.held} of {self._total} mutants, {text}"
            self._say(line)
