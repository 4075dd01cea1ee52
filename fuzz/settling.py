"""Files that are written, and are brought onto the disk and to their places by a thread of their own.

What a process has written outlives the process, however it ends: the system has it. Only a computer that loses its
power needs more, and to wait for that costs milliseconds a file. So whoever writes many files leaves the waiting to a
thread, which takes those of a folder together: fsync of each temporary file, then its rename, then fsync of the folder.
A kill in between leaves whole temporary files behind, whose names say what they hold (`fuzz.campaign.shelf.repair`).
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from fuzz.atomic import bring_to_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TOGETHER: Final = 0.05
"""Seconds in which more files may come that are brought onto the disk with the first."""


class Settling:
    """A thread that brings files onto the disk and to their places, in the order in which it is told of them."""

    def __init__(self) -> None:
        self._files: SimpleQueue[tuple[Path, Path]] = SimpleQueue()
        self._told = self._settled = 0
        self._change = threading.Condition()
        self._trouble: list[OSError] = []
        threading.Thread(target=self._work, name="settling", daemon=True).start()

    def add(self, temporary: Path, path: Path) -> None:
        """A temporary file is written and closed, and belongs at `path`."""
        self._told += 1
        self._files.put((temporary, path))

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
            for temporary, path in files:
                with self._hearing():
                    bring_to_disk(temporary)
                    temporary.replace(path)
            for folder in dict.fromkeys(path.parent for _, path in files):
                with self._hearing():
                    bring_to_disk(folder)
            with self._change:
                self._settled += len(files)
                self._change.notify_all()

    @contextmanager
    def _hearing(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:  # somebody has taken it away: nothing is to be kept
            return
        except OSError as error:  # the temporary file stays; the next start tries again
            self._trouble.append(error)
