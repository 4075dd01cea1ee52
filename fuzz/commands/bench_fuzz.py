"""The fuzzing half of `vmfuzz bench`: rates, where an execution's time goes, how many mutants are streams.

Each machine is fuzzed for a few seconds as `vmfuzz run` does it, again with the stack sampled, and again with each
mutant read once more. Beside it stands an empty target under the same engine: what is left of the ceiling is the
target's own Python.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.table import Table

from fuzz.campaign.spec import Spec
from fuzz.campaign.stats import read_stats
from fuzz.commands.bench_parse import CannotMeasure
from fuzz.work.profile import SHARES
from model.designs import DESIGNS, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.corpus import MachineFiles

MUTATING_AT_MOST: Final = 0.2
"""Of an execution's time, as it should be."""
STRICT_AT_LEAST: Final = 0.7
"""Of the mutants, as it should be."""

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
    strict: float
    """Of the mutants: those that a strict reader takes."""
    mutants: int
    """How many were read."""


def measure_ceiling(seconds: float) -> float:
    """Executions per second of an empty target."""
    done = subprocess.run([sys.executable, "-c", _EMPTY, str(seconds)], capture_output=True, text=True, check=False)
    return float(done.stdout.split()[-1]) if done.returncode == 0 and done.stdout.split() else 0.0


def spec_of(machine: MachineFiles, designs: Sequence[str], seconds: float, seed: int = 1) -> Spec:
    """A worker on a machine from its seeds, which shares nothing with another one."""
    return Spec(
        worker="bench",
        target="stream",
        machine=machine.typed,
        description=str(machine.description.resolve()),
        seeds=tuple(str(seed.resolve()) for seed in machine.seeds),
        designs=tuple(designs),
        seed=seed,
        campaign="",
        seconds=seconds,
    )


def rate_of(spec: Spec) -> float:
    """Executions per second of a worker, from its first execution to its last. Raises CannotMeasure where it fails."""
    with tempfile.TemporaryDirectory(prefix="vmfuzz-bench-") as folder:
        return _work(spec, Path(folder))


def measure(machine: MachineFiles, ceiling: float, seconds: float) -> Measured:
    """Fuzz one machine three times, under all designs: for its rate, for its shares, for its mutants."""
    designs = tuple(name for name in DESIGNS if name != REFERENCE.name)
    spec = spec_of(machine, designs, seconds)
    folder = Path(tempfile.mkdtemp(prefix="vmfuzz-bench-"))
    try:
        rate = _work(spec, folder / "rate")
        _work(replace(spec, profile=str(folder / "profile.json")), folder / "shares")
        _work(replace(spec, strict=str(folder / "strict.json")), folder / "strict")
        counts, read = _counts(folder / "profile.json"), _counts(folder / "strict.json")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    total = sum(counts.values()) or 1
    largest = max((seed.stat().st_size for seed in machine.seeds), default=0)
    shares = {name: counts.get(name, 0) / total for name in SHARES}
    mutants = read.get("mutants", 0)
    strict = read.get("strict", 0) / (mutants or 1)
    return Measured(machine.name, 1 + len(designs), largest, rate, ceiling, shares, strict, mutants)


def _counts(path: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _work(spec: Spec, folder: Path) -> float:
    """Let a worker work in a campaign of its own: executions per second. Raises CannotMeasure where it fails."""
    place = folder / "workers" / spec.worker
    (place / "stuck").mkdir(parents=True)
    (folder / "corpus" / spec.shared).mkdir(parents=True)
    (place / "spec.json").write_text(replace(spec, campaign=str(folder)).to_json())
    command = [sys.executable, "-m", "fuzz.work.worker", str(place / "spec.json")]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        msg = f"{spec.machine}: a worker ended with status {done.returncode}: {said or 'it said nothing'}"
        raise CannotMeasure(msg)
    stats = read_stats(place / "stats.json")
    return stats.executions / stats.seconds if stats and stats.seconds else 0.0


def table(measured: Sequence[Measured], ceiling: float) -> Table:
    """A column per machine: rates, ratio to the ceiling, shares in percent."""
    shown = Table(title=f"Engine ceiling (empty target): {ceiling:,.0f} executions per second", title_justify="left")
    shown.add_column("", no_wrap=True)
    for one in measured:
        shown.add_column(one.machine, justify="right", no_wrap=True)
    shown.add_row("executions per second", *(f"{one.per_second:,.0f}" for one in measured))
    shown.add_row("designs in each", *(str(one.designs) for one in measured))
    shown.add_row(
        "of the ceiling", *(f"1/{ceiling / one.per_second:,.0f}" if one.per_second else "-" for one in measured)
    )
    shown.add_row("largest seed, bytes", *(f"{one.seed_bytes:,}" for one in measured), end_section=True)
    for name in SHARES:
        most = f", at most {MUTATING_AT_MOST:.0%}" if name == "mutate" else ""
        last = name == SHARES[-1]
        shown.add_row(f"share of {name}{most}", *(f"{one.shares[name]:.0%}" for one in measured), end_section=last)
    shown.add_row(f"mutants that are streams, at least {STRICT_AT_LEAST:.0%}", *(_of(one) for one in measured))
    return shown


def _of(one: Measured) -> str:
    return f"{one.strict:.0%} of {one.mutants:,}"
