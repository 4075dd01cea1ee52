"""Fields that are not saved as they were loaded: what time has changed, what the program rebuilds or drops.

A table by kind of section (the vmsd of the section) and pattern of the field's path; learned from the program, by
saving again what it had just loaded. Where the model follows a device it can say more: see `Effects.saved`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOCK, REBUILT = "goes on with the host's time", "rebuilt by the load"

NOT_KEPT: Final[Mapping[str, Mapping[str, str]]] = {
    "mc146818rtc": {"cmos_data*": CLOCK, "next_alarm_time": CLOCK, "update_timer": CLOCK},
}
"""By kind of section, then by path with `*` and `?`: why the field is not what was loaded."""


@lru_cache(maxsize=65536)
def not_kept(kind: str, path: str) -> str | None:
    """Why the field of that path in a section of that kind is not saved as it was loaded; None if it is."""
    patterns = NOT_KEPT.get(kind, {})
    if path in patterns:
        return patterns[path]
    return next((why for pattern, why in patterns.items() if fnmatchcase(path, pattern.replace("[", "[[]"))), None)
