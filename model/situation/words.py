"""Names without what makes them many: the same for all ports, slots, queues and segments."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from model.layouts import FUNCTION

_NUMBER: Final = re.compile(r"\[?\b(?:0x)?[0-9a-f]*\d[0-9a-f]*\b\]?|\d+$")


@lru_cache(maxsize=4096)
def bare(name: str) -> str:
    """A region's or space's name without addresses of PCI functions and without numbers."""
    return _NUMBER.sub("#", FUNCTION.sub("", name))
