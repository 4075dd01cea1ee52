"""What a fuzz target is: which of our targets it runs, on which machine, beside what.

A fuzz target is a file `targets/fuzz_*.py` that names one of these `TARGET` and runs it. This module is imported before
probes are in place, so it knows nothing of the code under test.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, Literal

FOLDER: Final = Path(__file__).resolve().parent / "targets"
"""Where the fuzz targets lie, each with its dictionary and options."""

KNOWN: Final = "triage.toml"
"""The file of known causes, beside the targets and, once built, beside what runs."""


@dataclass(frozen=True, slots=True)
class FuzzTarget:
    """One fuzz target. `kind` is the name of the target in `fuzz.targets`."""

    kind: Literal["stream", "roundtrip", "memory"]
    machine: str = ""
    """A shipped machine: where streams are loaded, or whose streams are read."""
    schedules: bool = False
    """Whether mutants get a schedule. The other designs are then left out: what a turn of somebody else does to a batch
    is known and shows at once."""
    loadvm: bool = False
    """Load as snapshots, and go on with the process."""


def names() -> tuple[str, ...]:
    """The names of all fuzz targets, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("fuzz_*.py")))


def defined(name: str) -> FuzzTarget:
    """The fuzz target of that name. Raises KeyError when there is none."""
    if name not in names():
        raise KeyError(name)
    target: FuzzTarget = import_module(f"fuzz.oss.targets.{name}").TARGET
    return target
