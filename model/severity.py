"""How bad a finding is, as QEMU's security policy would rank it.

Memory that is written in the wrong place comes first, then what is silently wrong after a load that was accepted, then
what stops the program (a hang, an assertion), then what stops only the migration; a refusal that a guest can bring
about is worse than others, since it pins the guest to its host. Below them stand broken rules without a consequence
that was seen, and cost.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from model.outcome import Cause


class Severity(IntEnum):
    """Most severe first: smaller is worse."""

    MEMORY_CORRUPTION = 0
    WRONG_STATE = 1
    HANG = 2
    ASSERTION = 3
    PINNED = 4
    REFUSAL = 5
    INVARIANT = 6
    COST = 7

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")

    @classmethod
    def parse(cls, text: str) -> Severity:
        """The inverse of `str()`. Raises KeyError for anything else."""
        return cls[text.upper().replace("-", "_")]


PINNED_KIND: Final = "pinned"
"""The kind of a finding that says a guest can keep itself from leaving its host."""

_POINTERS: Final = frozenset({"caches", "request-segment"})
_POINTER_ENDS: Final = ("command-list", "FIS-area")
"""Derived state that says where a device goes on to read and write."""

_ENDS: Final = {
    "aborted": Severity.ASSERTION,
    "hung": Severity.HANG,
    "waiting": Severity.HANG,
    "refused": Severity.REFUSAL,
    "accepted": Severity.WRONG_STATE,
}
_PAIRING: Final = {"transaction-left-open": Severity.WRONG_STATE}
_ORACLES: Final = {
    "layout": Severity.WRONG_STATE,
    "listener-trace": Severity.WRONG_STATE,
    "run-state": Severity.WRONG_STATE,
    "flat-view-while-pending": Severity.WRONG_STATE,
    "exception": Severity.ASSERTION,
    "guard": Severity.INVARIANT,
    "lock": Severity.INVARIANT,
    "cost": Severity.COST,
}


STAGES: Final = ("load", "reset", "again", "recovery", "resume", "resave")
"""What an oracle is told by first when it speaks of a stage of a process's life (`model.session`)."""


def without_stage(oracle: str) -> tuple[str, str]:
    """The stage that an oracle names, "" for none, and the oracle."""
    stage, _, rest = oracle.partition("-")
    return (stage, rest) if rest and stage in STAGES else ("", oracle)


def severity_of(kind: str, cause: Cause) -> Severity:
    """The rank of a finding by its kind and cause alone; who knows what it led to may know better."""
    match without_stage(cause.oracle)[1]:
        case "verdict":
            return Severity.PINNED if kind == PINNED_KIND else _ENDS[cause.change.rpartition(">")[2]]
        case "device-state":
            points = cause.reader in _POINTERS or cause.reader.endswith(_POINTER_ENDS)
            return Severity.MEMORY_CORRUPTION if points else Severity.WRONG_STATE
        case "pairing":
            return _PAIRING.get(cause.change, Severity.ASSERTION)
        case oracle:
            return _ORACLES.get(oracle, Severity.WRONG_STATE if kind == "divergence" else Severity.INVARIANT)
