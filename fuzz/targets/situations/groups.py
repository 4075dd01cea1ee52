"""Facts by what they tell of: what an ablation leaves out, one group at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fuzz.engine.target import Feature

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "ends": (
        *("verdict", "refusal", "ended-at", "guest-can-cause", "rebuilds", "depth", "forced"),
        *("message", "not-modelled", "acted", "stage", "stage-rebuilds", "exception"),
    ),
    "reads": (*("pending", "harmful", "read-by", "read-in", "read-at-depth", "read-while-call", "read-while-region"),),
    "layout": ("space", "shown", "neighbours", "pieces", "ranges", "ranges-cut"),
    "registers": ("command", "bar", "bars", "window", "windows"),
    "queues": (
        *("device", "derived", "queues", "queue-size", "queue-heads", "queue-inuse", "queue-wraps", "ring", "rings"),
    ),
    "listeners": ("told", "flapped"),
    "distances": ("distance",),
    "divergence": ("finding", "differs"),
}
"""The first words of the facts of each group."""

_GROUP: Final = {word: group for group, words in GROUPS.items() for word in words}


def group_of(feature: Feature) -> str:
    """The group of a fact; "" for one of none."""
    return _GROUP.get(str(feature[0]), "")
