"""Many findings, the largest first, in this process or in several.

A process of its own takes one finding after the other. It passes over the terminal's Ctrl-C, which this one answers:
it tells all to end, each writes its best and ends. Should this one be killed, they end as well: the last one that was
forked sees it, and with it go the ends of the pipes by which the one before sees it.
"""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.beside import DESCRIPTION
from fuzz.campaign.findings import read_record, records
from fuzz.campaign.folder import Campaign
from fuzz.smaller.finding import INTERRUPTED, UNUSABLE, Size, Small, Stopped, known_minimal, make_smaller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event

_EVERY: Final = 0.2
"""Seconds between two looks at what is done."""


def wanted(folder: Path) -> tuple[Path, ...]:
    """The folders of a campaign's findings, or the one given, the largest witness first. Raises CampaignError."""
    if (folder / DESCRIPTION).is_file():
        return (folder,)
    campaign = Campaign(folder)
    campaign.settings()
    found = sorted(records(campaign.findings), key=lambda pair: (-pair[1].size, pair[1].cause))
    return tuple(place for place, _ in found)


def make_all_smaller(
    places: Sequence[Path], budget: int | None, jobs: int, progress: Callable[[int, int], None]
) -> Iterator[Small]:
    """Each as it is done, those first that are known to be minimal. `progress` is told how many others are done, and in
    how many executions so far.

    After a KeyboardInterrupt those under way end with their best so far, and the others are left as they are.
    """
    left = []
    for place in places:
        small = known_minimal(place)
        if small is None:
            left.append(place)
        else:
            yield small
    if jobs > 1 and len(left) > 1:
        yield from _in_processes(left, budget, min(jobs, len(left)), progress)
        return
    done = executions = 0

    def tick() -> None:
        nonlocal executions
        executions += 1
        progress(done, executions)

    for place in left:
        small = _guarded(place, budget, tick)
        yield small
        done += 1
        if small.ended == INTERRUPTED:
            return


def _guarded(place: Path, budget: int | None, tick: Callable[[], None]) -> Small:
    """One finding; a disk that refuses is told, and no more."""
    try:
        return make_smaller(place, budget, tick)
    except OSError as error:
        return _failed(place, f"{error.filename or place}: {error.strerror or error}")


def _failed(place: Path, why: str) -> Small:
    record = read_record(place)
    size = Size(record.size if record else 0, 0, 0)
    cause, target = (record.cause, record.target) if record else (place.name, "")
    return Small(place, cause, target, UNUSABLE, size, size, why=why)


def _in_processes(
    places: Sequence[Path], budget: int | None, jobs: int, progress: Callable[[int, int], None]
) -> Iterator[Small]:
    context = get_context("fork")
    stop, count = context.Event(), context.Value("Q", 0)
    pool = ProcessPoolExecutor(jobs, context, _begin, (stop, count))
    waiting: dict[Future[Small], Path] = {}
    done = 0
    try:
        waiting = {pool.submit(_one, str(place), budget): place for place in places}
        while waiting:
            for future in _ready(waiting, partial(progress, done), count):
                place = waiting.pop(future)
                done += 1
                yield _result(future, place)
    except KeyboardInterrupt:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        for future, place in waiting.items():
            if not future.cancelled():
                yield _result(future, place)
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _ready(
    waiting: dict[Future[Small], Path], progress: Callable[[int], None], count: Synchronized[int]
) -> list[Future[Small]]:
    """Those that are done, looked for a few times a second."""
    with suppress(TimeoutError):
        next(as_completed(waiting, timeout=_EVERY))
    progress(count.value)
    return [future for future in waiting if future.done()]


def _result(future: Future[Small], place: Path) -> Small:
    try:
        return future.result()
    except BrokenProcessPool:
        return _failed(place, "its process died")


# In a process of its own

_stop: Event | None = None
_count: Synchronized[int] | None = None
_busy = threading.Lock()


def _begin(stop: Event, count: Synchronized[int]) -> None:
    global _stop, _count
    _stop, _count = stop, count
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_mourn, args=(stop,), daemon=True).start()


def _mourn(stop: Event) -> None:
    """End when the process does that wants it."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        stop.set()
        with _busy:
            os._exit(1)


def _tick() -> None:
    assert _stop is not None
    assert _count is not None
    with _count.get_lock():
        _count.value += 1
    if _stop.is_set():
        raise Stopped


def _one(place: str, budget: int | None) -> Small:
    with _busy:
        return _guarded(Path(place), budget, _tick)
