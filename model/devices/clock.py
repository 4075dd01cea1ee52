"""The machine's clock as a stream brings it, and a device that does not survive a clock before zero.

Asked of QEMU 7.2: rtl8139's load does not end when the virtual clock (stopped, so it is what the section `timer`
brought) stands in the 2^33 ns before zero, whatever the card's own counter holds; further back it loads. The bound was
found between 8.3 and 8.8 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.handler import Effects
from model.errors import Hang

if TYPE_CHECKING:
    from model.load_state import LoadState
    from vmformat import Refusal

BEFORE_ZERO: Final = 1 << 33
"""In nanoseconds."""


class Timer(Effects):
    """The offsets of the clocks; kept for others to look at."""

    vmsd: ClassVar[str] = "timer"
    fields: ClassVar[frozenset[str]] = frozenset({"cpu_clock_offset"})


class Rtl8139(Effects):
    """A network card that sets a timer while it loads."""

    vmsd: ClassVar[str] = "rtl8139"
    post: ClassVar[frozenset[str]] = frozenset({"rtl8139"})

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Raises Hang for a clock shortly before zero."""
        timer = self.machine.find_handler("timer", 0)
        clock = timer.effects.number("cpu_clock_offset") if timer is not None and timer.effects is not None else 0
        if -BEFORE_ZERO < clock < 0:
            raise Hang
        return None
