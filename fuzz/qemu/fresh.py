"""A fresh process that starts, loads a stream, ends, and does nothing else: as fast as the real program can do it.

No traces, no limits, no second monitor: the stream is an open file of the process, and one line on its monitor says
that the load has ended. Then the process is killed, which is faster than to ask it to quit.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Final

from fuzz.qemu.process import QemuError, complaint, complete_arguments, find_binary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_HELLO: Final = b'{"execute":"qmp_capabilities"}\n'
_EVENTS: Final = ("-global", "migration.x-events=on")
"""So that the process says by itself that the load has ended; asking it again and again would cost it time."""


class Fresh:
    """Loads of one stream, each in a process of its own, of a machine with these arguments. Stopped, with no network.

    Raises QemuError if there is no such program.
    """

    def __init__(self, arguments: Sequence[str], stream: Path, *, binary: str = "qemu-system-x86_64") -> None:
        self._command = (find_binary(binary), *complete_arguments(arguments), "-S", "-qmp", "stdio", *_EVENTS)
        self._stream = stream

    def load(self) -> None:
        """Start a process, wait until it has loaded the stream, end it. Raises QemuError if the load fails."""
        descriptor = os.open(self._stream, os.O_RDONLY)
        try:
            process = subprocess.Popen(
                (*self._command, "-incoming", f"fd:{descriptor}"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(descriptor,),
            )
        finally:
            os.close(descriptor)
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                process.stdin.write(_HELLO)
                process.stdin.flush()
                for line in process.stdout:
                    if b'"MIGRATION"' in line and b'"completed"' in line:
                        return
            except BrokenPipeError:  # it has ended before it read anything
                pass
            finally:
                process.kill()
            said = process.stderr.read().decode(errors="replace").splitlines()
            raise QemuError(f"the load did not end: {complaint(said)}")

    def rate(self, seconds: float) -> float:
        """Loads per second, one after the other for so long."""
        loads, start = 0, time.monotonic()
        while (spent := time.monotonic() - start) < seconds or not loads:
            self.load()
            loads += 1
        return loads / spent
