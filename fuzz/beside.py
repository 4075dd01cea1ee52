"""What the JSON beside a kept stream says: `ID.json` beside a crasher `ID.vmstate`, `finding.json` beside a witness."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fuzz.corpus import CorpusError, find_machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DESCRIPTION: Final = "finding.json"
"""The JSON of a campaign's finding, in the folder of its witness."""


def beside(path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The files that speak of the stream in `path`, and what they say; those that cannot be read say nothing."""
    for file in (path.with_suffix(".json"), path.parent / DESCRIPTION):
        try:
            values = json.loads(file.read_bytes()) if file.is_file() else None
        except (OSError, ValueError):
            continue
        if isinstance(values, dict) and "schedule" in values:
            yield file, values


def machine_beside(path: Path) -> str | None:
    """The machine that is named there; None without one, as a program has none."""
    names = (values.get("machine") for _, values in beside(path))
    found = next((name for name in names if isinstance(name, str) and name), None)
    return None if found is None else seen_from(path.parent, found)


def seen_from(folder: Path, machine: str) -> str:
    """A machine that a file in `folder` names: the path of one that lies there; else as it is named.

    So streams can be kept beside the machine that they are for, and be used from wherever somebody works.
    """
    if "/" not in machine and not machine.endswith(".json"):
        return machine
    try:
        find_machine(str(folder / machine))
    except (CorpusError, OSError, ValueError):
        return machine
    return str(folder / machine)


def named_from(folder: Path, machine: str) -> str:
    """What a file in `folder` is to call a machine, so that `seen_from` finds it again: a path that leads there.

    Names of shipped machines, whole paths and what is not to be found stay as they are.
    """
    path = Path(machine)
    if path.is_absolute() or ("/" not in machine and not machine.endswith(".json")):
        return machine
    try:
        find_machine(machine)
    except (CorpusError, OSError, ValueError):
        return machine
    return os.path.relpath(path, folder)
