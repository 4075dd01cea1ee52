"""What a load lights that is not done: the probes' counters as `model.lights` wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.engine.features import PROBES

if TYPE_CHECKING:
    from fuzz.engine.features import FeatureMap

_DARK: Final = bytearray(PROBES)


class ProbeLights:
    """The counters of the probes, a byte each; those of facts are not touched."""

    def __init__(self, features: FeatureMap) -> None:
        self._counters = features.counters

    def take(self) -> bytes:
        """What is lit, up to the last light; from now on all is dark."""
        counters = self._counters
        lit = bytes(counters[: counters.rfind(1, 0, PROBES) + 1])
        counters[:PROBES] = _DARK
        return lit

    def light(self, lit: bytes) -> None:
        """Light these, whatever else is lit."""
        counters, size = self._counters, len(lit)
        there = int.from_bytes(counters[:size], "little")
        if there:
            lit = (int.from_bytes(lit, "little") | there).to_bytes(size, "little")
        counters[:size] = lit
