"""Files that are whole where they should be, and are brought onto the disk by a thread of their own.

What a process has written outlives the process, however it ends: the system has it. Only a computer that loses its
power needs more, and to wait for that costs milliseconds a file. So whoever writes many files leaves the waiting to a
thread, which takes a folder's files together. A file that was torn by a power cut is found by its content
(`fuzz.campaign.shelf.repair`).
"""

from __future__ import annotations

import os
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_TOGETHER: Final = 0.05
"""Seconds in which more files may come that are brought onto the disk with the first."""


class Settling:
    """A thread that brings files onto the disk, in the order in which it is told of them."""

    def __init__(self) -> None:
        self._files: SimpleQueue[Path] = SimpleQueue()
        self._told = self._settled = 0
        self._change = threading.Condition()
        self._trouble: list[OSError] = []
        threading.Thread(target=self._work, name="settling", daemon=True).start()

    def add(self, path: Path) -> None:
        """A file stands at its place, written and closed."""
        self._told += 1
        self._files.put(path)

    def wait(self, seconds: float) -> bool:
        """Until all that was added is on the disk, at most so long. Whether it is."""
        with self._change:
            return self._change.wait_for(lambda: self._settled == self._told, seconds)

    def trouble(self) -> list[OSError]:
        """What the disk said to files since this was asked last."""
        said, self._trouble = self._trouble, []
        return said

    def _work(self) -> None:
        while True:
            files = [self._files.get()]
            time.sleep(_TOGETHER)
            try:
                while True:
                    files.append(self._files.get_nowait())
            except Empty:
                pass
            for path in (*files, *dict.fromkeys(path.parent for path in files)):
                self._settle(path)
            with self._change:
                self._settled += len(files)
                self._change.notify_all()

    def _settle(self, path: Path) -> None:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # somebody has taken it away: nothing is to be kept
            return
        except OSError as error:
            self._trouble.append(error)
            return
        try:
            os.fsync(handle)
        except OSError as error:
            self._trouble.append(error)
        finally:
            os.close(handle)
