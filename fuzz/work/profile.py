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
REFERENCE_LOAD: Final = "load of the reference"
LOAD: Final = "load of the designs"
SHARES: Final = ("read", REFERENCE_LOAD, LOAD, "compare", "reset", "mutate", "features", "report", "engine")
"""Reading is that of all loads. The engine's is what is left: libFuzzer, atheris, the harness around the target."""
_RULES: Final = (
    # (part of the file name, function or "", share): the first that matches a frame, frames from the innermost outwards
    ("/fuzz/mutate/", "", "mutate"),
    ("/fuzz/work/feed", "", "mutate"),
    ("/model/compare", "", "compare"),
    ("/model/aftermath", "", "compare"),
    ("/model/machine", "reset", "reset"),
    ("/model/memory/", "rollback", "reset"),
    ("/model/", "", LOAD),
    ("/fuzz/targets/", "", "features"),
    ("/fuzz/engine/features", "", "features"),
    ("/fuzz/work/reporting", "", "report"),
    ("/fuzz/work/blackbox", "", "report"),
    ("/fuzz/campaign/", "", "report"),
    ("/fuzz/engine/", "", "engine"),
)
_TARGET: Final = "/fuzz/targets/stream"


def share_of(frames: list[tuple[str, str]], *, reference: bool = False) -> str:
    """The share that a stack belongs to: (file, function) pairs, innermost first.

    vmformat works for whoever called it: for the mutator it is mutating, for the loader it is reading. `reference`: the
    load under way is the reference's.
    """
    reading = False
    for file, function in frames:
        if "/vmformat/" in file or "/construct/" in file:
            reading = True
            continue
        for part, name, share in _RULES:
            if part in file and name in ("", function):
                if share != LOAD:
                    return share
                if any(outer == "reset" and "/model/" in where for where, outer in frames):
                    return "reset"
                return "read" if reading else REFERENCE_LOAD if reference else LOAD
    return "read" if reading else "engine"


def start(path: Path, reference: str) -> None:
    """Count from now on, in this process, until it ends. `reference`: the name of that design."""
    counts = dict.fromkeys(SHARES, 0)
    written = [time.monotonic()]

    def sample(_number: int, frame: FrameType | None) -> None:
        frames = []
        its_own = False
        while frame is not None:
            file, function = frame.f_code.co_filename, frame.f_code.co_name
            frames.append((file, function))
            if function == "_load" and _TARGET in file:
                its_own = getattr(frame.f_locals.get("design"), "name", "") == reference
            frame = frame.f_back
        counts[share_of(frames, reference=its_own)] += 1
        now = time.monotonic()
        if now - written[0] > 0.25:
            written[0] = now
            path.write_text(json.dumps(counts))

    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, PERIOD, PERIOD)
