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

from model.memory import EMPTY, Listener
from model.memory.view import READONLY

if TYPE_CHECKING:
    from collections.abc import Collection

    from model.memory import AddressSpace, FlatRange, FlatView
    from model.memory.publishing import Difference
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
        self.added = self.removed = 0
        self._view: FlatView | None = EMPTY
        """What it believes in, as long as that is a view as a whole."""

        self._rows: dict[Row, None] = {}
        """What it believes in, if that is not a view."""

        self._torn: set[Row] = set()

    @property
    def rows(self) -> dict[Row, None]:
        """What it believes in."""
        if self._view is not None:
            self._rows, self._view = dict.fromkeys(rows_of(self._view)), None
        return self._rows

    def differs(self, old: FlatView, new: FlatView, told: Difference) -> None:
        """Ranges are gone and others are new."""
        self.added += len(told.added)
        self.removed += len(told.removed)
        if self._view is None or self._view.kept is not old.kept:
            rows = self.rows
            for index in told.removed:
                rows.pop(_row_at(old, index), None)
            for index in told.added:
                rows[_row_at(new, index)] = None
        else:
            self._view = new
        if told.removed:
            if told.rows is None:
                told.rows = tuple([_row_at(old, index) for index in told.removed])
            assert isinstance(told.rows, tuple)
            self._torn.update(told.rows)

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
        if self._view is not None:
            rows_now = rows_of(self._view)
            return published if rows_now is published or rows_now == published else rows_now
        rows = self.rows
        if len(rows) == len(published) and all(map(rows.__contains__, published)):
            return published
        return tuple(sorted(rows))

    def heard(self) -> Heard:
        """What it was told since the machine was pristine."""
        flapped = tuple(sorted(self._torn.intersection(self._believed()))) if self._torn else ()
        return Heard(self.space.name, self.added, self.removed, flapped)

    def _believed(self) -> Collection[Row]:
        return self._rows.keys() if self._view is None else row_set_of(self._view)

    def save(self) -> object:
        """The pristine belief; from here on ranges are counted."""
        self.added = self.removed = 0
        self._torn = set()
        if self._view is None and self._rows.keys() == row_set_of(self.space.current):
            self._view, self._rows = self.space.current, {}
        return self._view, dict(self._rows)

    def restore(self, state: object) -> None:
        """The pristine belief again."""
        assert isinstance(state, tuple)
        self._view, rows = state
        self._rows = dict(rows) if self._view is None else {}
        self.added = self.removed = 0
        self._torn.clear()


def rows_of(view: FlatView) -> tuple[Row, ...]:
    """The ranges of a view as outcomes tell them; the same object for all that share its lists."""
    kept = view.kept
    if kept.rows is None:
        kept.rows = tuple(
            [
                (start, end - 1, region.name, start - base, bool(flags & READONLY), region.key)
                for start, end, (region, base, flags) in zip(view.starts, view.ends, view.infos, strict=True)
            ]
        )
    return kept.rows


def row_set_of(view: FlatView) -> frozenset[Row]:
    """The same as a set."""
    kept = view.kept
    if kept.row_set is None:
        kept.row_set = frozenset(rows_of(view))
    return kept.row_set


def _row_at(view: FlatView, index: int) -> Row:
    region, base, flags = view.infos[index]
    start = view.starts[index]
    return start, view.ends[index] - 1, region.name, start - base, bool(flags & READONLY), region.key


def row_of(piece: FlatRange) -> Row:
    """A range as outcomes tell it."""
    region = piece.region
    return (piece.start, piece.start + piece.size - 1, region.name, piece.offset, piece.readonly, region.key)
