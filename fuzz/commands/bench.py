"""`vmfuzz bench`: executions per second, where an execution's time goes, the engine's own ceiling; what parsing costs.

Each shipped machine is fuzzed for a few seconds as `vmfuzz run` does it, and again with the stack sampled. Beside it
stands an empty target under the same engine: what is left of the ceiling is the target's own Python. The parsing half
is `bench_parse`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from rich.console import Console
from rich.table import Table

from fuzz.campaign.spec import Spec
from fuzz.campaign.stats import read_stats
from fuzz.commands.bench_parse import CannotMeasure, bench_parsing, tables
from fuzz.corpus import CorpusError, find_machine, shipped_machines
from fuzz.engine import available
from fuzz.qemu import DEFAULT_BINARY
from fuzz.work.profile import SHARES
from model.designs import DESIGNS, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.corpus import MachineFiles

SECONDS: Final = 4.0

_EMPTY: Final = """
import sys, time
import atheris
count, start = 0, time.monotonic()
def target(data):
    global count
    count += 1
    if not count & 0xfff and time.monotonic() - start > float(sys.argv[1]):
        print(count / (time.monotonic() - start), flush=True)
        import os
        os._exit(0)
atheris.Setup(["empty", "-seed=1", "-verbosity=0", "-max_len=4096"], target)
atheris.Fuzz()
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One machine under the engine."""

    machine: str
    designs: int
    seed_bytes: int
    """Largest seed."""
    per_second: float
    ceiling: float
    """Executions per second of an empty target."""
    shares: dict[str, float]
    """Of an execution's time: each of `fuzz.work.profile.SHARES`, adding up to 1."""


Part: TypeAlias = Literal["parse", "fuzz"]


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
    """Measure and print, `only` one half if it is named. Exit status: 0, or 2 when something cannot be used.

    `script` is QEMU's scripts/analyze-migration.py, which parsing is held against.
    """
    missing = available() if only != "parse" else None
    if missing:
        return _complain(missing)
    console = console or Console(emoji=False)
    try:
        chosen = [find_machine(name) for name in machines or shipped_machines()] if only != "parse" else []
        parsed = bench_parsing(script, binary=qemu) if only != "fuzz" else None
    except (CorpusError, CannotMeasure) as error:
        return _complain(str(error))
    ceiling = measure_ceiling(min(time, 2.0)) if chosen else 0.0
    measured = [measure(machine, ceiling, time) for machine in chosen]
    if as_json:
        found: dict[str, object] = {}
        if only != "parse":
            found |= {"ceiling": ceiling, "machines": [asdict(one) for one in measured]}
        if parsed is not None:
            found["parse"] = parsed.to_json()
        console.print_json(json.dumps(found))
        return 0
    if measured:
        console.print(table(measured, ceiling))
    if parsed is not None:
        for shown in tables(parsed):
            console.print(shown)
        console.print(parsed.verdict, markup=False, highlight=False)
    return 0


def _complain(why: str) -> int:
    Console(stderr=True, emoji=False).print(f"vmfuzz bench: {why}", markup=False, highlight=False, soft_wrap=True)
    return 2


def measure_ceiling(seconds: float) -> float:
    """Executions per second of an empty target."""
    done = subprocess.run([sys.executable, "-c", _EMPTY, str(seconds)], capture_output=True, text=True, check=False)
    return float(done.stdout.split()[-1]) if done.returncode == 0 and done.stdout.split() else 0.0


def measure(machine: MachineFiles, ceiling: float, seconds: float) -> Measured:
    """Fuzz one machine twice: for its rate, then with the stack sampled for its shares."""
    designs = tuple(name for name in DESIGNS if name != REFERENCE.name)
    folder = Path(tempfile.mkdtemp(prefix="vmfuzz-bench-"))
    try:
        rate, _ = _worker(machine, designs, folder / "rate", seconds, profile=False)
        _, counts = _worker(machine, designs, folder / "shares", seconds, profile=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    total = sum(counts.values()) or 1
    largest = max((seed.stat().st_size for seed in machine.seeds), default=0)
    shares = {name: counts.get(name, 0) / total for name in SHARES}
    return Measured(machine.name, 1 + len(designs), largest, rate, ceiling, shares)


def _worker(
    machine: MachineFiles, designs: tuple[str, ...], folder: Path, seconds: float, *, profile: bool
) -> tuple[float, dict[str, int]]:
    profiled = folder / "profile.json"
    spec = Spec(
        worker="bench",
        target="stream",
        machine=machine.typed,
        description=str(machine.description.resolve()),
        seeds=tuple(str(seed.resolve()) for seed in machine.seeds),
        designs=designs,
        seed=1,
        campaign=str(folder),
        seconds=seconds,
        profile=str(profiled) if profile else "",
    )
    place = folder / "workers" / "bench"
    (place / "stuck").mkdir(parents=True)
    (folder / "corpus" / "bench").mkdir(parents=True)
    (place / "spec.json").write_text(spec.to_json())
    command = [sys.executable, "-m", "fuzz.work.worker", str(place / "spec.json")]
    subprocess.run(command, capture_output=True, check=False)
    stats = read_stats(place / "stats.json")
    rate = stats.executions / stats.seconds if stats and stats.seconds else 0.0
    counts: dict[str, int] = json.loads(profiled.read_text()) if profiled.exists() else {}
    return rate, counts


def table(measured: Sequence[Measured], ceiling: float) -> Table:
    """A column per machine: rates, ratio to the ceiling, shares in percent."""
    shown = Table(title=f"Engine ceiling (empty target): {ceiling:,.0f} executions per second", title_justify="left")
    shown.add_column("", no_wrap=True)
    for one in measured:
        shown.add_column(one.machine, justify="right", no_wrap=True)
    shown.add_row("executions per second", *(f"{one.per_second:.0f}" for one in measured))
    shown.add_row("designs in each", *(str(one.designs) for one in measured))
    shown.add_row(
        "of the ceiling", *(f"1/{ceiling / one.per_second:,.0f}" if one.per_second else "-" for one in measured)
    )
    shown.add_row("largest seed, bytes", *(f"{one.seed_bytes:,}" for one in measured), end_section=True)
    for name in SHARES:
        shown.add_row(f"share of {name}", *(f"{100 * one.shares[name]:.0f} %" for one in measured))
    return shown
