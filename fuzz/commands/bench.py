"""`vmfuzz bench`: executions per second and where their time goes; beside the real program; what parsing costs.

The parts are `bench_fuzz`, `bench_real` and `bench_parse`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from rich.console import Console

from fuzz.commands import bench_fuzz, bench_real
from fuzz.commands.bench_parse import CannotMeasure, bench_parsing, tables
from fuzz.corpus import CorpusError, find_machine, shipped_machines
from fuzz.engine import available
from fuzz.qemu import DEFAULT_BINARY, QemuError
from fuzz.work.build import read_description
from model import DescriptionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fuzz.corpus import MachineFiles

SECONDS: Final = 4.0

Part: TypeAlias = Literal["parse", "fuzz", "real"]


def bench(
    machines: Sequence[str] = (),
    console: Console | None = None,
    *,
    time: float = SECONDS,
    as_json: bool = False,
    only: Part | None = None,
    script: Path | None = None,
    qemu: str = DEFAULT_BINARY,
) -> int:
    """Measure and print, `only` one part if it is named. Exit status: 0, or 2 when something cannot be used.

    `script` is QEMU's scripts/analyze-migration.py, which parsing is held against.
    """
    missing = available() if only != "parse" else None
    if missing:
        return _complain(missing)
    console = console or Console(emoji=False)
    try:
        if only in {None, "fuzz"}:
            for name in machines:
                find_machine(name)
        parsed = bench_parsing(script, binary=qemu) if only in {None, "parse"} else None
        # The real program need not be there, unless it is asked for.
        looked = only == "real" or (only is None and bench_real.there_is(qemu))
        beside = _beside(machines or tuple(bench_real.WANTED), time, qemu) if looked else None
        measured = None
        if only in {None, "fuzz"}:
            ceiling = bench_fuzz.measure_ceiling(min(time, 2.0))
            chosen = [find_machine(name) for name in machines or shipped_machines()]
            measured = [bench_fuzz.measure(machine, ceiling, time) for machine in chosen]
    except (CorpusError, CannotMeasure, QemuError, DescriptionError, OSError) as error:
        return _complain(str(error))
    if as_json:
        found: dict[str, object] = {}
        if measured is not None:
            found |= {"ceiling": ceiling, "machines": [asdict(one) for one in measured]}
        if beside is not None:
            found["real"] = [one.to_json() for one in beside]
        if parsed is not None:
            found["parse"] = parsed.to_json()
        console.print_json(json.dumps(found))
        return 0
    if measured:
        console.print(bench_fuzz.table(measured, ceiling))
    if beside:
        console.print(bench_real.table(beside))
    if parsed is not None:
        for shown in tables(parsed):
            console.print(shown)
        console.print(parsed.verdict, markup=False, highlight=False)
    return 0


def _beside(machines: Sequence[str], seconds: float, binary: str) -> list[bench_real.Beside]:
    found = []
    for machine in map(find_machine, machines):
        arguments = read_description(machine.description).arguments

        def run(its_seconds: float, seed: int, machine: MachineFiles = machine) -> float:
            return bench_fuzz.rate_of(bench_fuzz.spec_of(machine, (bench_real.DESIGN,), its_seconds, seed))

        found.append(bench_real.beside(machine, arguments, run, seconds=seconds, binary=binary))
    return found


def _complain(why: str) -> int:
    Console(stderr=True, emoji=False).print(f"vmfuzz bench: {why}", markup=False, highlight=False, soft_wrap=True)
    return 2
