"""What is known to be minimal: a file beside the witness that names it, so that nobody shrinks it again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from fuzz.atomic import write_atomic
from fuzz.shrink import PASSES

if TYPE_CHECKING:
    from pathlib import Path

    from fuzz.campaign.findings import Record

FILE: Final = "shrunk.json"


def is_minimal(place: Path, record: Record) -> bool:
    """Whether this very witness is what the passes of today have left."""
    try:
        return bool(json.loads((place / FILE).read_bytes()) == _said(record))
    except (OSError, ValueError):
        return False


def remember(place: Path, record: Record) -> None:
    """Note that this witness is minimal. Raises OSError."""
    write_atomic(place / FILE, json.dumps(_said(record), indent=2).encode() + b"\n")


def _said(record: Record) -> dict[str, Any]:
    """Which witness, and by which passes: new ones may find something."""
    return {"sha256": record.sha256, "schedule": record.schedule, "passes": list(PASSES)}
