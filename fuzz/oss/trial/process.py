"""One program of a trial: what it says goes to a file, and it is ended with everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_LOOK: Final = 0.1
"""Seconds between two looks at a running program."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its status, and what it said on both of its outputs."""

    status: int
    said: str


def run(
    command: Sequence[str], log: Path, folder: Path, environment: Mapping[str, str], tell: Callable[[float], None]
) -> Ended:
    """Run it in `folder` to its end; `tell` hears the seconds so far. Raises OSError when it cannot be started.

    On any exception, Ctrl-C among them, the program and its children are killed first.
    """
    started = time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while True:
                try:
                    status = process.wait(_LOOK)
                    break
                except subprocess.TimeoutExpired:
                    tell(time.monotonic() - started)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    return Ended(status, log.read_bytes().decode(errors="replace"))
