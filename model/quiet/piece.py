"""A record that has been loaded, and what it came to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.devices.handler import Handler

if TYPE_CHECKING:
    from model.load_state import LoadState
    from model.machine import AnyHandler
    from model.quiet.pages import Pages
    from vmformat import Reader

ENTRY: Final = 500
"""Bytes that a record costs beside its own."""


class Before:
    """How a load stood before a record. What the load calls not modelled from here on, the record does."""

    def __init__(self, load: LoadState, reader: Reader) -> None:
        self.load, self.reader = load, reader
        self.pos, self.steps, self.wanted_more = reader.pos, load.steps, load.wanted_more
        self.ram = load.turns.count("ram")
        self._epoch, self._messages, self._lengths = (
            load.memory.epoch,
            len(load.messages),
            dict(load.machine.block_lengths),
        )
        self._furthest, reader.furthest = reader.furthest, 0
        self._missing, load.not_modelled = load.not_modelled, set()
        self.is_quiet = False
        self.added: frozenset[str] = frozenset()

    def ends(self) -> None:
        """The record was loaded, or the load died of it. `is_quiet`: whether it came to what a `Piece` can tell."""
        load, reader = self.load, self.reader
        self.added = frozenset(load.not_modelled)
        load.not_modelled |= self._missing
        self.is_quiet = (
            not reader.error
            and reader.furthest <= reader.pos
            and len(load.messages) == self._messages
            and load.memory.epoch == self._epoch
            and load.machine.block_lengths == self._lengths
        )
        reader.furthest = max(self._furthest, reader.furthest)


class Piece:
    """A record as a whole, header and footer, and what it comes to.

    `fields`, `ram`: how often the load was at a point of that name. `pages`: what it did to RAM, None for a device's.
    `lit`: numbers of `model.lights.Sums`, None while not known: where nobody may run meanwhile, and where somebody may.
    `next`: what followed it.
    """

    __slots__ = (
        "came_again", "data", "distances", "fields", "handler", "lit", "next", "not_modelled", "pages", "ram",
        "section", "steps", "version",
    )  # fmt: skip

    def __init__(self, since: Before, handler: AnyHandler, pages: Pages | None) -> None:
        """`handler` has just loaded it."""
        load, reader = since.load, since.reader
        watch = handler.watch if isinstance(handler, Handler) else None
        self.data = reader.data[since.pos : reader.pos]
        self.handler = handler
        self.section, self.version = handler.load_section_id, handler.load_version
        self.not_modelled = since.added
        self.steps = load.steps - since.steps
        self.fields, self.ram = load.wanted_more - since.wanted_more, load.turns.count("ram") - since.ram
        self.distances = dict.fromkeys(watch.distances() if watch is not None and watch.values else ())
        self.pages = pages
        self.lit: list[int | None] = [None, None]
        self.next: Piece | None = None
        self.came_again = False

    @property
    def cost(self) -> int:
        """What it takes to keep it, in bytes."""
        return len(self.data) + ENTRY + (0 if self.pages is None else self.pages.cost)
