"""Which worker names of a campaign are taken: a lock a worker, held as long as its process or its supervisor lives.

The system drops the lock with the last process that holds it, so nothing stays behind after a kill. Two runs on one
folder therefore get workers of different names, share corpus and findings, and disturb each other in nothing.
"""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.campaign.folder import Campaign

LOCK: Final = ".lock"
PATIENCE: Final = 3.0
"""Seconds that workers whose supervisor was killed get to notice it and end."""


def take(campaign: Campaign, worker: str) -> int | None:
    """Take this name; a descriptor that holds it until it is closed, None when somebody else does. Raises OSError."""
    folder = campaign.worker(worker)
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    return handle


def taken(campaign: Campaign) -> tuple[str, ...]:
    """Names of workers that somebody holds. Raises OSError."""
    held = []
    for worker in campaign.workers():
        handle = take(campaign, worker)
        if handle is None:
            held.append(worker)
        else:
            os.close(handle)
    return tuple(held)


def orphans(campaign: Campaign, workers: Sequence[str]) -> tuple[str, ...]:
    """Those of these workers whose supervisor is gone, so that they will end by themselves."""
    return tuple(worker for worker in workers if not _lives(campaign.supervisor(worker)))


def wait_for_orphans(campaign: Campaign, patience: float = PATIENCE) -> tuple[str, ...]:
    """Let workers that were left alone end, for so many seconds; the names that are held after that. Raises OSError."""
    deadline = time.monotonic() + patience
    while True:
        held = taken(campaign)
        if not orphans(campaign, held) or time.monotonic() >= deadline:
            return held
        time.sleep(0.05)


def names(group: str, taken: Sequence[str], many: int) -> tuple[str, ...]:
    """So many free names of a group: its own, then `.2`, `.3`, ..."""
    found: list[str] = []
    number = 1
    while len(found) < many:
        name = group if number == 1 else f"{group}.{number}"
        if name not in taken:
            found.append(name)
        number += 1
    return tuple(found)


def _lives(process: int) -> bool:
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
