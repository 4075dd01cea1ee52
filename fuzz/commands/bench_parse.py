"""The parsing half of `vmfuzz bench`: seed-24's stream as QEMU writes it, and the shipped streams.

The stream is made on the spot: the machine of seed-24 with its firmware run, RAM and VMDESCRIPTION kept. Each of some
processes that have read no stream before takes it to named values and back to bytes, and then, if the user has it,
lets QEMU's analyze-migration.py read it to its dictionary: in one process, one after the other.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.table import Table

from fuzz.corpus import find_machine, root, shipped_machines
from fuzz.parsing import Pass, read_time
from fuzz.qemu import DEFAULT_BINARY, QemuError
from vmformat import StreamError

if TYPE_CHECKING:
    from collections.abc import Sequence

MACHINE: Final = "seed-24"
ASKED: Final = 10.0
"""How many times faster than the script is asked for."""
PROCESSES: Final = 5
_BOOT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Whole:
    """One stream taken to values and back, medians over processes, milliseconds of processor time."""

    stream: str
    size: int
    first: Pass
    again: Pass
    script: float | None
    """QEMU's script, to its dictionary of values; None without one."""
    ratio: float | None
    """The script's time over the time of `first`, of the same process: the median."""


@dataclass(frozen=True, slots=True)
class Alone:
    """Reading alone: one shipped stream."""

    stream: str
    size: int
    milliseconds: float

    @property
    def rate(self) -> float:
        """MB per second."""
        return self.size / 1e6 / (self.milliseconds / 1e3) if self.milliseconds else 0.0


@dataclass(frozen=True, slots=True)
class Parsed:
    """All that was measured."""

    whole: Whole
    made: str
    """Where the stream came from, in words."""
    alone: tuple[Alone, ...]

    @property
    def verdict(self) -> str:
        """The line that answers the question."""
        if self.whole.ratio is None:
            return "no analyze-migration.py to compare with (--analyze-migration PATH)"
        return f"{self.whole.ratio:.1f} times faster than analyze-migration.py (>= {ASKED:g} asked)"

    def to_json(self) -> dict[str, object]:
        """Every number."""
        alone = [{**asdict(one), "rate": one.rate} for one in self.alone]
        return {"whole": asdict(self.whole), "made": self.made, "alone": alone, "verdict": self.verdict}


class CannotMeasure(Exception):
    """Why, in one line."""


def bench_parsing(script: Path | None, *, binary: str = DEFAULT_BINARY, processes: int = PROCESSES) -> Parsed:
    """Measure. Raises CannotMeasure for a script that is none, CorpusError in a broken installation."""
    with tempfile.TemporaryDirectory(prefix="vmfuzz-bench-") as folder:
        path, made = _stream(Path(folder), binary)
        runs = [_run(path, script) for _ in range(processes)]
        whole = _middle(MACHINE, path.stat().st_size, runs)
    return Parsed(whole, made, tuple(_shipped()))


def _stream(folder: Path, binary: str) -> tuple[Path, str]:
    """The stream to measure with, and what it is."""
    from fuzz.capture.seeds import booted  # noqa: PLC0415 - only with a QEMU

    known = root() / "seeds" / MACHINE / "provenance.json"
    path = folder / "stream"
    try:
        arguments = json.loads(known.read_text())["arguments"]
        path.write_bytes(booted(arguments, _BOOT, binary=binary))
    except (QemuError, OSError) as error:
        shipped = root() / "seeds" / MACHINE / "after.vmstate"
        return shipped, f"the shipped {MACHINE}/after, without RAM: {error}"
    return path, f"{MACHINE} after its firmware, made by the installed QEMU, RAM and VMDESCRIPTION kept"


def _run(stream: Path, script: Path | None) -> dict[str, object]:
    command = [sys.executable, "-m", "fuzz.parsing", str(stream), *([] if script is None else [str(script)])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise CannotMeasure(lines[-1] if lines else f"exit status {done.returncode}")
    found: dict[str, object] = json.loads(done.stdout)
    return found


def _middle(name: str, size: int, runs: Sequence[dict[str, object]]) -> Whole:
    first, again = (_medians([Pass(**run[which]) for run in runs]) for which in ("first", "again"))  # type: ignore[arg-type]
    scripts = [run["script"] for run in runs if isinstance(run["script"], float)]
    if not scripts:
        return Whole(name, size, first, again, None, None)
    ratios = [
        run["script"] / Pass(**run["first"]).total  # type: ignore[arg-type]
        for run in runs
        if isinstance(run["script"], float)
    ]
    return Whole(name, size, first, again, statistics.median(scripts), statistics.median(ratios))


def _medians(passes: Sequence[Pass]) -> Pass:
    read, values, write = (
        statistics.median(getattr(one, what) for one in passes) for what in ("read", "values", "write")
    )
    one = passes[0]
    return Pass(read, values, write, one.sections, one.opaque, all(found.same for found in passes))


def _shipped() -> list[Alone]:
    found = []
    for name in shipped_machines():
        for seed in find_machine(name).seeds:
            if seed.stem == "after":
                data = seed.read_bytes()
                try:
                    found.append(Alone(f"{name}/{seed.stem}", len(data), read_time(data)))
                except StreamError as error:
                    raise CannotMeasure(f"{seed}: {error}") from None
    return found


def tables(parsed: Parsed) -> tuple[Table, Table]:
    """The stream made on the spot, and reading alone."""
    whole = parsed.whole
    title = f"Parsing: {parsed.made}: {whole.size:,} bytes"
    shown = Table(title=title, title_justify="left")
    shown.add_column("milliseconds of processor time", no_wrap=True)
    for column in ("first stream of a process", "again"):
        shown.add_column(column, justify="right")
    for label, what in (
        ("bytes to records, VMDESCRIPTION parsed", "read"),
        ("payloads to named values", "values"),
        ("values to bytes", "write"),
        ("all", "total"),
    ):
        shown.add_row(label, *(f"{getattr(one, what):.1f}" for one in (whole.first, whole.again)))
    if whole.script is not None and whole.ratio is not None:
        again = whole.script / whole.again.total if whole.again.total else 0.0
        shown.add_row("analyze-migration.py, read and getDict", f"{whole.script:.1f}", "")
        shown.add_row("times faster", f"{whole.ratio:.1f}", f"{again:.1f}")
    shown.add_row("sections decoded, not decoded", f"{whole.first.sections}, {whole.first.opaque}", "")
    shown.add_row("the same bytes again", "yes" if whole.first.same and whole.again.same else "NO", "")
    alone = Table(title="Reading alone (the best of three)", title_justify="left")
    alone.add_column("stream", no_wrap=True)
    for column in ("bytes", "ms", "MB/s"):
        alone.add_column(column, justify="right")
    for one in parsed.alone:
        alone.add_row(one.stream, f"{one.size:,}", f"{one.milliseconds:.1f}", f"{one.rate:.1f}")
    return shown, alone
