"""What every mutator arm is given beside the stream: the destination, other streams, limits."""

from __future__ import annotations

from collections.abc import Callable
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


Arm = Callable[["Stream", "Dice", Scene], "Stream | None"]
"""A mutation. None: nothing in this stream for it to do. Never changes its argument."""
