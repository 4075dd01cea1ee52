"""What the JSON beside a kept stream says: `ID.json` beside a crasher `ID.vmstate`, `finding.json` beside a witness."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

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
    return next((name for name in names if isinstance(name, str) and name), None)
