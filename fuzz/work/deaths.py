"""When a worker dies of an input: what kind of finding that is.

A signal that the process brought upon itself is a finding at once. `kill -9` may be anybody's, the system's for want of
memory among them: the input that was under way runs once more in the next life, and is a finding only if it kills that
one, too.
"""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Final

from fuzz.engine.target import Found

if TYPE_CHECKING:
    from pathlib import Path

ENDS: Final = frozenset(("hang", "death", "memory"))
"""Oracles that speak of how a process ended: their inputs are not to be run where that matters."""
MOST_DEATHS: Final = 2
"""Lives that one input may cost before it is called a finding and left alone."""
FROM_OUTSIDE: Final = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals that say nothing about the input."""
_FRAME: Final = re.compile(r'^  File "(?:[^"]*/)?([^"/]+?)(?:\.py)?", line \d+ in (\S+)$', re.MULTILINE)
_TAIL: Final = 64 << 10


def death_of(how: str, where: str, times: int = 1) -> Found:
    """The finding. `how`: a signal's name, `killed`, or `exit status N`; `where`: the function that was running."""
    lives = "the process" if times == 1 else f"{times} processes"
    cause = f"any/death/{where}/{how}/-"
    return Found("death", cause, f"{lives} died ({how}) of this input in {where}", severity="assertion")


def stuck_in(where: str, seconds: float) -> Found:
    """The finding for an execution that no exception could end."""
    cause = f"any/hang/{where}/native/-"
    return Found("hang", cause, f"not done after {seconds:.0f} seconds, in {where}", severity="hang")


def last_function(log: Path) -> str:
    """The innermost function of the last stack that faulthandler wrote into a log, as `file.function`; "?" without."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return "?"
    start = text.rfind("(most recent call first):")
    match = _FRAME.search(text, start) if start >= 0 else None
    return f"{match[1]}.{match[2]}" if match else "?"
