"""A process with libFuzzer in it, which does not give one back, started by a search's own process.

A search's process may lose who asked for it: the bench is killed. Then what it started is ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from fuzz.search.asked import LOG

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PARENT: Final = os.getppid()
"""Who started this process, as early as it can be known."""
_PAUSE: Final = 0.02
_LOOK: Final = 50
"""Pauses between looks at whether somebody still waits."""


def is_alone(parent: int = PARENT) -> bool:
    """Whether who started this process is gone."""
    return os.getppid() != parent


def run_module(module: str, arguments: Sequence[str], scratch: Path) -> int:
    """Run a module in a Python of its own, and wait. Returns its status; what it says is in LOG."""
    with (scratch / LOG).open("wb") as log:
        command = [sys.executable, "-m", module, *arguments]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    looked = 0
    while (status := process.poll()) is None:
        time.sleep(_PAUSE)
        looked += 1
        if looked % _LOOK == 0 and is_alone():
            process.kill()
    return status
