"""What the system lets a process have, where inputs run that may ask for anything."""

from __future__ import annotations

import ctypes
import resource
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_TOP_PAD: Final = -2
_M_MMAP_THRESHOLD: Final = -3
"""Numbers of mallopt(3)."""
_KEPT: Final = 64 << 20
_LARGE: Final = 32 << 20
_STEP: Final = 8 << 20


def limit(what: int, most: int) -> None:
    """Let this process have at most so much of one of `resource.RLIMIT_*`. The hard one stays."""
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def memory_of_this_process() -> tuple[int, int]:
    """Bytes of address space that this process has, and of memory in use; zeros where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - once a second, in a campaign of a week
            asked, used = map(int, file.read().split()[:2])
    except (OSError, ValueError):
        return 0, 0
    return asked * resource.getpagesize(), used * resource.getpagesize()


def keep_memory() -> None:
    """Have the C library keep what is freed, up to `_KEPT` bytes at the end of its heap, for what is asked for next.

    By default a block of the size of an input goes back to the system and comes again, zeroed page by page, for each of
    the dozen copies that an execution makes: milliseconds where inputs have a megabyte. Elsewhere than with the GNU C
    library nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TOP_PAD, _STEP)
