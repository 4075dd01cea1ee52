"""What every mutator arm is given beside the stream: the destination, other streams, limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fuzz.mutate.places import Places

if TYPE_CHECKING:
    from fuzz.mutate.dice import Dice
    from vmformat import Stream


@dataclass(slots=True)
class Scene:
    """The setting of a campaign's mutations on one machine."""

    places: Places = field(default_factory=Places)
    donors: tuple[Stream, ...] = ()
    """The seeds, as streams: sections are spliced from them."""
    max_size: int = 1 << 20
    functions: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """The machine's PCI functions, each with the slots of its BARs."""
    bars: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    """By PCI function: the sizes of its BARs by slot, bytes; slot 6 is the ROM."""
    masks: Mapping[str, tuple[bytes, bytes]] = field(default_factory=dict)
    """By PCI function: the bits of its config space that a guest can write, and those that the load compares."""
    schedules: bool = False
    """Whether inputs may end with a schedule: the target takes it off and somebody looks at what it does."""


Arm = Callable[["Stream", "Dice", Scene], "Stream | None"]
"""A mutation. None: nothing in this stream for it to do. Never changes its argument."""
