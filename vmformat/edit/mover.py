"""Records dropped, repeated, moved and inserted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmformat import paths
from vmformat.command import Command
from vmformat.edit.changes import Change, label
from vmformat.edit.edits import Drop, Duplicate, Insert, Move
from vmformat.edit.records import Slot, Slots
from vmformat.records import Eof
from vmformat.section import Section
from vmformat.text.values import TextError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmformat.paths import Place
    from vmformat.schema import Schemas
    from vmformat.stream import Stream


class Mover:
    """Changes of the list of records. All patterns mean the stream as it came, whatever its fields have become.

    Raises TextError if a pattern finds nothing.
    """

    def __init__(
        self, edits: Sequence[Drop | Duplicate | Move | Insert], stream: Stream, schemas: Schemas | None
    ) -> None:
        self.known = list(Slots(stream, schemas).walk()) if edits else []
        self.resolved = [(edit, self._subjects(edit), self._target(edit)) for edit in edits]
        self.changes: list[Change] = []
        self.slots = Slots(stream)

    def move(self, slots: Slots) -> list[Change]:
        """Make them, in order, on slots that stand where they stood; what was done."""
        self.slots = slots
        resolved = [  # all of them before the first move: places change
            (
                edit,
                [(place, slots.at(place)) for place in subjects],
                None if target is None else (target, slots.at(target)),
            )
            for edit, subjects, target in self.resolved
        ]
        for edit, subjects, target in resolved:
            if isinstance(edit, Drop):
                for place, slot in subjects:
                    self.slots.take(slot)
                    self._say(place, slot, "dropped")
            elif isinstance(edit, Duplicate):
                for place, slot in subjects:
                    self.slots.place([Slot(slot.record, entry=slot.entry, size=slot.size)], slot, after=True)
                    self._say(place, slot, "repeated")
            elif isinstance(edit, Move):
                self._move(edit, subjects, target)
            else:
                self._insert(edit, target)
        return self.changes

    def choose(self, pattern: str) -> list[Place]:
        """The places of the records that a pattern finds. Raises TextError if there are none."""
        found = [place for place, slot in self.known if _fits(pattern, place, slot)]
        if not found:
            raise TextError(pattern, 0, "a pattern that finds a record", "nothing of that name in the stream")
        return found

    def _subjects(self, edit: Drop | Duplicate | Move | Insert) -> list[Place]:
        return [] if isinstance(edit, Insert) else self.choose(edit.pattern)

    def _target(self, edit: Drop | Duplicate | Move | Insert) -> Place | None:
        if isinstance(edit, Drop | Duplicate) or edit.target is None:
            return None
        found = self.choose(edit.target)
        return found[0] if edit.side == "before" else found[-1]

    def _move(self, edit: Move, subjects: list[tuple[Place, Slot]], target: tuple[Place, Slot] | None) -> None:
        assert target is not None
        if any(slot is target[1] for _, slot in subjects):
            raise TextError(edit.target, 0, "a target that is not moved itself", label(target[0], target[1].record))
        for _, slot in subjects:
            self.slots.take(slot)
        self.slots.place([slot for _, slot in subjects], target[1], after=edit.side == "after")
        for place, slot in subjects:
            self._say(place, slot, f"moved {edit.side} {label(target[0], target[1].record)}")

    def _insert(self, edit: Insert, target: tuple[Place, Slot] | None) -> None:
        entries = [*edit.entries, *[""] * (len(edit.records) - len(edit.entries))]
        new = [Slot(record, entry=entry) for record, entry in zip(edit.records, entries, strict=False)]
        if target is None:
            ends = [i for i, slot in enumerate(self.slots.slots) if isinstance(slot.record, Eof)]
            at = ends[-1] if ends else len(self.slots.slots)
            self.slots.slots[at:at] = new
            where = "at the end"
        else:
            self.slots.place(new, target[1], after=edit.side == "after")
            where = f"{edit.side} {label(target[0], target[1].record)}"
        for slot in new:
            name = label((), slot.record).removeprefix("# ")
            self.changes.append(Change(name, "", "", f"inserted {where}"))

    def _say(self, place: Place, slot: Slot, what: str) -> None:
        self.changes.append(Change(label(place, slot.record), "", "", what))


def _fits(pattern: str, place: Place, slot: Slot) -> bool:
    record = slot.record
    if pattern.startswith("#"):
        return ".".join(map(str, place)) == pattern[1:]
    if isinstance(record, Section | Command):
        return paths.fits(pattern, place, record)
    return isinstance(record, Eof) and pattern == "EOF"
