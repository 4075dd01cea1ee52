"""A campaign's folder as somebody sees who looks at it again and again: what did not change is not read again.

A finding changes by a rename inside its folder, a worker's statistics by a rename over them, so what the system says of
the folder and of the file (`_Stamp`) tells whether to read. A folder's stamp from just now tells nothing: something more
may be renamed within the same tick of the file system's clock. So a finding younger than `SETTLED` is read again next
time. A file that was renamed over another one is another inode, which tells at once.

Cost: a look at a folder with 2,000 findings that did not change is 2,000 calls of `stat`, some milliseconds.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from fuzz.campaign.findings import read_record
from fuzz.campaign.stats import read_stats

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fuzz.campaign.findings import Record
    from fuzz.campaign.folder import Campaign
    from fuzz.campaign.stats import Stats

SETTLED: Final = 2.0
"""Seconds after which what was changed is believed to be read: clocks of file systems tick no slower."""

T = TypeVar("T")


class _Stamp(NamedTuple):
    """What a change would change."""

    inode: int
    size: int
    changed: int
    """Nanoseconds since 1970."""


class _Seen(NamedTuple, Generic[T]):
    stamp: _Stamp | None
    """None: to be read again."""
    what: T


class Watch:
    """Reads findings and statistics of one campaign; never writes, never raises because of what is or is not there."""

    def __init__(self, campaign: Campaign, clock: Callable[[], float] = time.time) -> None:
        self.campaign = campaign
        self._clock = clock
        self._findings: dict[str, _Seen[Record | None]] = {}
        self._stats: dict[str, _Seen[Stats | None]] = {}
        self._order: tuple[tuple[Path, Record], ...] = ()
        self.reads = 0
        """Files read so far: what a look costs."""

    def findings(self) -> tuple[tuple[Path, Record], ...]:
        """All whole findings, sorted by cause, each with its folder; the very same tuple as long as nothing changed."""
        folder = self.campaign.findings
        try:
            with os.scandir(folder) as entries:
                stamps = {entry.name: _stamp(entry.stat()) for entry in entries if entry.is_dir()}
        except OSError:  # not made yet, or gone
            stamps = {}
        changed = stamps.keys() != self._findings.keys()
        for gone in self._findings.keys() - stamps.keys():
            del self._findings[gone]
        for name, stamp in stamps.items():
            known = self._findings.get(name)
            if known is not None and known.stamp == stamp:
                continue
            self.reads += 1
            record = read_record(folder / name)
            # Without its description a finding is not whole yet: what it lacks may come at any moment.
            self._findings[name] = _Seen(self._settled(stamp) if record is not None else None, record)
            changed = changed or known is None or known.what != record
        if changed:
            found = ((folder / name, one.what) for name, one in self._findings.items() if one.what is not None)
            self._order = tuple(sorted(found, key=lambda pair: pair[1].cause))
        return self._order

    def stats(self) -> tuple[Stats, ...]:
        """What each worker last said, sorted by name; what cannot be read any more stays as it was."""
        said: list[Stats] = []
        for name in self.campaign.workers():
            path = self.campaign.worker(name) / "stats.json"
            known = self._stats.get(name)
            try:
                stamp = _stamp(path.stat())
            except OSError:
                stamp = None
            if stamp is not None and (known is None or known.stamp != stamp):
                self.reads += 1
                stats = read_stats(path) or (known.what if known is not None else None)
                known = self._stats[name] = _Seen(stamp, stats)
            if known is not None and known.what is not None:
                said.append(known.what)
        return tuple(said)

    def _settled(self, stamp: _Stamp) -> _Stamp | None:
        """The stamp, if it can be trusted to change with the next change."""
        return stamp if self._clock() - stamp.changed / 1e9 > SETTLED else None


def _stamp(status: os.stat_result) -> _Stamp:
    return _Stamp(status.st_ino, status.st_size, status.st_mtime_ns)
