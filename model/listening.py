"""What memory listeners are told over a load, and what they must believe in the end.

A memory slot of KVM, a vhost memory table or a DMA map is what its listener has been told, replayed: ranges added and
deleted, nothing else. Two things can go wrong. At the end the belief is not the view that is published: somebody was
not told, or was told something else. Or belief and view agree, but a range went away and came back meanwhile: the slot
was torn down and set up again, its dirty bits and pinned pages gone, which is not the same as if it had stayed.

Model: one recorder for each of `memory` and `I/O` stands for all listeners of that space. Spaces of bus masters have
none: the listeners there that the model has (virtio) hear of commits alone, and a recorder would have every range of
the system's view told once for each device.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from model.memory import Listener

if TYPE_CHECKING:
    from model.memory import AddressSpace, FlatRange
    from model.outcome import Row


@dataclass(frozen=True, slots=True)
class Heard:
    """What the listeners of a space were told: how many ranges were added and deleted, and which came back.

    `flapped`: ranges that are there in the end and were deleted meanwhile, sorted.
    """

    space: str
    added: int
    removed: int
    flapped: tuple[Row, ...] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        """An entry of `listeners` of `vmfuzz load --json`."""
        return {"space": self.space, "added": self.added, "removed": self.removed, "flapped": len(self.flapped)}


class Recorder(Listener):
    """A listener of one address space: the ranges that it must believe to be mapped."""

    def __init__(self, space: AddressSpace) -> None:
        super().__init__(priority=10)
        self.space = space
        self.rows: dict[Row, None] = {}
        self.added = self.removed = 0
        self._torn: set[Row] = set()

    def region_add(self, space: AddressSpace, piece: FlatRange) -> None:
        """A range is new."""
        self.added += 1
        self.rows[row_of(piece)] = None

    def region_del(self, space: AddressSpace, piece: FlatRange) -> None:
        """A range is gone."""
        self.removed += 1
        row = row_of(piece)
        self.rows.pop(row, None)
        self._torn.add(row)

    def believes(self, published: tuple[Row, ...]) -> tuple[Row, ...]:
        """What it believes, sorted; the very object given if it is just that."""
        rows = self.rows
        if len(rows) == len(published) and all(map(rows.__contains__, published)):
            return published
        return tuple(sorted(rows))

    def heard(self) -> Heard:
        """What it was told since the machine was pristine."""
        flapped = tuple(sorted(row for row in self._torn if row in self.rows)) if self._torn else ()
        return Heard(self.space.name, self.added, self.removed, flapped)

    def save(self) -> object:
        """The pristine belief; from here on ranges are counted."""
        self.added = self.removed = 0
        self._torn = set()
        return dict(self.rows)

    def restore(self, state: object) -> None:
        """The pristine belief again."""
        assert isinstance(state, dict)
        self.rows = dict(state)
        self.added = self.removed = 0
        self._torn.clear()


def row_of(piece: FlatRange) -> Row:
    """A range as outcomes tell it."""
    region = piece.region
    return (piece.start, piece.start + piece.size - 1, region.name, piece.offset, piece.readonly, region.key)
