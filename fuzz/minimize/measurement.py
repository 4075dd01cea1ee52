"""What one execution of one input showed: its features as bits of one number, the findings, or why there is nothing.

A feature is a counter of `fuzz.engine.FeatureMap`: a probe in the code under test, or a fact that the target reported
(causes of findings are facts, too). That is what the engine keeps inputs for.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fuzz.engine.features import PROBES
from fuzz.engine.target import Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PASSING: Final = ("cannot be read", "was altered meanwhile", "its measuring process died")
"""How reasons for a failure begin that are not the input's own."""

Features = int
"""A set of features: bit n is counter n."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Of one input, by its SHA-1."""

    sha1: str
    features: Features = 0
    found: tuple[Found, ...] = ()
    failed: str = ""
    """Why it could not be measured, in a few words; empty if it was."""

    @property
    def facts(self) -> Features:
        """Those features that are facts, which do not depend on what the process ran before."""
        return self.features >> PROBES << PROBES

    def to_json(self) -> dict[str, Any]:
        """The inverse of `from_json`, small enough for thousands of lines."""
        values: dict[str, Any] = {"sha1": self.sha1}
        if self.features:
            values["features"] = packed(self.features)
        if self.found:
            values["found"] = [[one.kind, one.cause, one.text, one.severity] for one in self.found]
        if self.failed:
            values["failed"] = self.failed
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Measurement:
        """Raises ValueError, KeyError, TypeError for what `to_json` did not write."""
        text = values.get("features")
        found = tuple(
            Found(kind, cause, said, severity=severity) for kind, cause, said, severity in values.get("found", ())
        )
        return cls(str(values["sha1"]), unpacked(text) if text else 0, found, str(values.get("failed", "")))


def of_numbers(numbers: Iterable[int]) -> Features:
    """The set of these counters."""
    bits = bytearray()
    for number in numbers:
        at = number >> 3
        if at >= len(bits):
            bits.extend(bytes(at + 1 - len(bits)))
        bits[at] |= 1 << (number & 7)
    return int.from_bytes(bits, "little")


def numbers_of(features: Features) -> Iterator[int]:
    """The counters in a set, in order."""
    while features:
        low = features & -features
        yield low.bit_length() - 1
        features ^= low


def packed(features: Features) -> str:
    """As text."""
    raw = features.to_bytes((features.bit_length() + 7) // 8, "little")
    return base64.b64encode(zlib.compress(raw, 6)).decode()


def unpacked(text: str) -> Features:
    """The inverse. Raises ValueError."""
    try:
        return int.from_bytes(zlib.decompress(base64.b64decode(text, validate=True)), "little")
    except zlib.error as error:
        raise ValueError(str(error)) from None
