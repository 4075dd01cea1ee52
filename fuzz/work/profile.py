"""Where an execution's time goes, by looking at the stack a thousand times a second of processor time.

Each sample belongs to the innermost frame that one of the rules names, so that reading (vmformat) inside a load
counts as read. The counts are written to a file four times a second, since a worker ends without warning.
"""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

PERIOD: Final = 0.001
SHARES: Final = ("read", "load", "compare", "reset", "mutate", "features", "engine")
_RULES: Final = (
    # (part of the file name, function or "", share): the first that matches a frame, frames from the innermost outwards
    ("/fuzz/mutate/", "", "mutate"),
    ("/model/compare", "", "compare"),
    ("/model/machine", "reset", "reset"),
    ("/model/memory/", "rollback", "reset"),
    ("/model/", "", "load"),
    ("/fuzz/targets/situations", "", "features"),
    ("/fuzz/engine/", "", "engine"),
)


def share_of(frames: list[tuple[str, str]]) -> str:
    """The share that a stack belongs to: (file, function) pairs, innermost first.

    vmformat works for whoever called it: for the mutator it is mutating, for the loader it is reading.
    """
    reading = False
    for file, function in frames:
        if "/vmformat/" in file or "/construct/" in file:
            reading = True
            continue
        for part, name, share in _RULES:
            if part in file and name in ("", function):
                inside_reset = share == "load" and any(
                    outer == "reset" and "/model/" in where for where, outer in frames
                )
                if inside_reset:
                    return "reset"
                return "read" if reading and share == "load" else share
    return "read" if reading else "engine"


def start(path: Path) -> None:
    """Count from now on, in this process, until it ends."""
    counts = dict.fromkeys(SHARES, 0)
    written = [time.monotonic()]

    def sample(_number: int, frame: FrameType | None) -> None:
        frames = []
        while frame is not None:
            frames.append((frame.f_code.co_filename, frame.f_code.co_name))
            frame = frame.f_back
        counts[share_of(frames)] += 1
        now = time.monotonic()
        if now - written[0] > 0.25:
            written[0] = now
            path.write_text(json.dumps(counts))

    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, PERIOD, PERIOD)
