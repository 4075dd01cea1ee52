"""Python's collector of cycles in a process that loads one input after the other.

What an execution makes goes as soon as nobody refers to it; hardly any of it lies in a cycle. What was built before the
first lives as long as the process. So the collector has little to find and much to look at: it is to come by seldom.
"""

from __future__ import annotations

import gc
from typing import Final

SELDOM: Final = (200_000, 20, 50)
"""Objects made beyond those that went, before the youngest are looked at; then how often before older ones are."""


def leave_alone() -> None:
    """Do not look at what there is by now, and seldom at what comes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)
