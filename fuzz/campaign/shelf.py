"""The corpus on disk, as one of the workers that share it sees it.

An entry is a file named by the SHA-1 of its content, written beside its place, brought onto the disk and renamed into
its place: another worker finds it whole or not at all. A worker does not wait for the disk (`fuzz.settling`); a start
after a kill finds what was on its way there. Two workers that find the same input write the same file. A worker
looks now and then for entries that it has not seen: those are its peers'.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from typing import TYPE_CHECKING, Final

from fuzz.atomic import bring_to_disk, write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from fuzz.settling import Settling

NAME: Final = re.compile(r"[0-9a-f]{40}")
"""An entry's name."""
LEFT: Final = re.compile(r"\..+\.[^.]{8}")
"""The name of a file that was being written."""


def name_of(data: bytes) -> str:
    """The name of an entry with this content."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


class Shelf:
    """The folder of a corpus. `settling`: who brings entries to their places; else `keep` waits until they are there."""

    def __init__(self, folder: Path, settling: Settling | None = None) -> None:
        self.folder = folder
        self._settling = settling
        self._known: set[str] = set()
        self._stamp = 0

    def __len__(self) -> int:
        """Entries that this worker knows of."""
        return len(self._known)

    def keep(self, data: bytes) -> bool:
        """Write an entry; False when it is there already. Raises OSError when the disk refuses; nothing is torn then."""
        name = name_of(data)
        if name in self._known:
            return False
        path = self.folder / name
        there = path.exists()
        if not there:
            write_atomic(path, data, self._settling)
        self._known.add(name)
        return not there

    def settle(self, seconds: float) -> list[OSError]:
        """Wait until entries are on the disk, at most so long; what it said of those since this was asked last."""
        if self._settling is None:
            return []
        if seconds:
            self._settling.wait(seconds)
        return self._settling.trouble()

    def unseen(self) -> list[Path]:
        """Entries that this worker has neither written nor been told of before, small ones first. Raises OSError.

        What is written while it looks, the next look finds.
        """
        stamp = self.folder.stat().st_mtime_ns
        if stamp == self._stamp:
            return []
        found: list[tuple[int, str]] = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name not in self._known and NAME.fullmatch(entry.name) and entry.is_file():
                    found.append((entry.stat().st_size, entry.name))
        # A folder changed within the clock's last tick may change again without a new stamp.
        settled = stamp < time.time_ns() - 50_000_000
        self._stamp = stamp if settled else 0
        self._known.update(name for _, name in found)
        return [self.folder / name for _, name in sorted(found)]


def repair(folder: Path, *, alone: bool = True) -> list[str]:
    """Give each file that is not named by its content's SHA-1 that name; drop empty ones. A line for each.

    So what somebody put there takes part, and what was damaged is kept as what it is. `alone`: nobody else is writing
    here, so what is half written stays so, and goes; what is whole but not at its place yet goes there. Raises OSError.
    """
    said: list[str] = []
    for entry in sorted(folder.iterdir()):
        if not entry.is_file():
            continue
        if entry.name.startswith("."):
            if alone and LEFT.fullmatch(entry.name):
                _left(entry, folder)
            continue
        data = entry.read_bytes()
        name = name_of(data)
        if entry.name == name:
            continue
        if not data:
            entry.unlink()
            said.append(f"{entry}: empty, removed")
        else:
            entry.replace(folder / name)
            what = "torn or altered" if NAME.fullmatch(entry.name) else "not named by its content"
            said.append(f"{entry}: {what}, kept as {name}")
    return said


def _left(entry: Path, folder: Path) -> None:
    """A file that a kill left under a temporary name: an entry if it is whole, else what was being written."""
    data = entry.read_bytes()
    name = name_of(data)
    if data and entry.name.startswith(f".{name}."):
        bring_to_disk(entry)
        entry.replace(folder / name)
    else:
        entry.unlink(missing_ok=True)  # nobody was told of it, and the box has the input
