"""What the system lets a process have, where inputs run that may ask for anything."""

from __future__ import annotations

import resource


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
