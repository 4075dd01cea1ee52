"""What of an execution the engine is told: probes, facts, both, or a hash of all it came to.

As text: `code`, `situations`, `both`, `hash` (both, and the hash); behind it `-GROUP` for each group of facts that is
left out, as in `both-layout-reads`, or `+GROUP` for those that alone are told, as in `code+layout`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.targets.situations import GROUPS, group_of

if TYPE_CHECKING:
    from fuzz.engine import Feature

DEFAULT: Final = "both"
KINDS: Final = ("code", "situations", "both", "hash")
_PART: Final = re.compile(r"([+-])([a-z]+)")


class FeedbackError(ValueError):
    """A text that is no feedback; its message says why."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """A choice. `groups` are those of facts that are told."""

    text: str
    probes: bool
    groups: frozenset[str]
    hashed: bool

    @classmethod
    def parse(cls, text: str) -> Feedback:
        """Raises FeedbackError."""
        kind = re.match(r"[a-z]*", text)
        assert kind is not None
        if kind[0] not in KINDS:
            raise FeedbackError(f"{text!r} is no feedback; there are {', '.join(KINDS)}")
        rest = text[kind.end() :]
        parts = _PART.findall(rest)
        if "".join(sign + group for sign, group in parts) != rest:
            raise FeedbackError(f"{text!r}: behind {kind[0]} stand +GROUP or -GROUP")
        for _, group in parts:
            if group not in GROUPS:
                raise FeedbackError(f"{text!r}: no group {group!r} of facts; there are {', '.join(GROUPS)}")
        groups = {*GROUPS} if kind[0] != "code" else set()
        for sign, group in parts:
            (groups.add if sign == "+" else groups.discard)(group)
        return cls(text, kind[0] != "situations", frozenset(groups), kind[0] == "hash")

    def wants(self, feature: Feature) -> bool:
        """Whether the engine is told a fact. What belongs to no group belongs to all that are told any."""
        group = group_of(feature)
        return group in self.groups or (not group and bool(self.groups))
