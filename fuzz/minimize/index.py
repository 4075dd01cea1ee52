"""The index: what `minimize` kept and why, as JSON beside the folder that it wrote, `OUT.minimize.json`.

Beside it, not in it: a fuzzer that is given the folder takes every file in there for an input.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from fuzz.atomic import write_atomic
from fuzz.minimize.how import How

if TYPE_CHECKING:
    from pathlib import Path

FORMAT: Final = 1


def index_path(out: Path) -> Path:
    """Where the index of a folder is."""
    return _beside(out, "json")


def control_path(out: Path) -> Path:
    """Where it is kept meanwhile what was measured."""
    return _beside(out, "control")


def _beside(out: Path, what: str) -> Path:
    out = out.resolve()
    return out.with_name(f"{out.name}.minimize.{what}")


def write_index(out: Path, values: dict[str, Any]) -> None:
    """Raises OSError."""
    write_atomic(index_path(out), json.dumps({"format": FORMAT, **values}, indent=1).encode() + b"\n")


def read_index(out: Path) -> dict[str, Any] | None:
    """The index of a folder; None without one that can be read."""
    try:
        values = json.loads(index_path(out).read_bytes())
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) and values.get("format") == FORMAT else None


def hows_in(out: Path) -> dict[Path, tuple[str, How]]:
    """By folder with inputs, how those are run, as the index says: the group's name, and how."""
    values = read_index(out)
    if values is None or values.get("shape") == "campaign":
        return {}
    flat = values.get("shape") == "flat"
    try:
        return {
            out if flat else out / group["group"]: (str(group["group"]), How.from_json(group["how"]))
            for group in values["groups"]
        }
    except (KeyError, TypeError):
        return {}
