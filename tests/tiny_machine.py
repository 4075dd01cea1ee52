"""The tiny machine on disk with a seed, as `capture` would leave it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import tiny

if TYPE_CHECKING:
    from pathlib import Path

STREAM = (
    tiny.HEADER
    + tiny.ram({0x8000: tiny.ring(3), 0x9000: tiny.ring(3)})
    + tiny.timer()
    + tiny.blk(command=6, bar=0x200000, desc=0x7000, avail=0x8000, used=0x9000, last_avail=3)
    + tiny.EOF
)


def write_machine(folder: Path) -> str:
    """Write it; returns what is typed for it."""
    (folder / "machines").mkdir()
    (folder / "machines" / "tiny.json").write_text(json.dumps(tiny.description()))
    (folder / "seeds" / "tiny").mkdir(parents=True)
    (folder / "seeds" / "tiny" / "after.vmstate").write_bytes(STREAM)
    return str(folder / "tiny")
