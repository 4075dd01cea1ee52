"""The trials of a shipped stream, for tests of single ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mutants import stream

from fuzz.mutate import Scene
from fuzz.mutate.trials import enumerate_trials

if TYPE_CHECKING:
    from fuzz.mutate.trial import Trial


def trials_of(kind: str, *, bars: bool = False) -> dict[str, list[Trial]]:
    """The trials of one kind of section of pc-small, by field."""
    masks = {name: (bytes(4) + b"\xff" * 252, bytes(256)) for name in ("0000:00:00.0", "0000:00:02.0")}
    sizes = {"0000:00:02.0": {0: 0x80, 1: 0x1000}} if bars else {}
    found: dict[str, list[Trial]] = {}
    for trial in enumerate_trials([stream("pc-small")], Scene(masks=masks, bars=sizes)):
        if trial.kind == kind:
            found.setdefault(trial.field, []).append(trial)
    return found
