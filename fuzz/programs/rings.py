"""The caches of a program: a virtio device as a design sees it, reduced to slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.programs.program import SLOTS
from model.memory import cache as caching

if TYPE_CHECKING:
    from fuzz.programs.run import Run
    from model.memory import AddressSpace, Cache
    from vmformat import Refusal


class Caches:
    """Slots that a program sets up, and a design builds: at once, in the listener's commit, or when the guest runs."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.section = "program"
        self._set_up: dict[int, tuple[str, int, int, bool]] = {}
        self._built: dict[int, tuple[AddressSpace, Cache]] = {}

    def set_up(self, slot: str, space: str, addr: int, length: int, write: bool) -> int:
        """Note what a slot is to point at; returns its index."""
        index = SLOTS.index(slot)
        self._set_up[index] = (space, addr, length, write)
        self._built.pop(index, None)
        return index

    def is_set_up(self, index: int) -> bool:
        """Whether the program has set a slot up."""
        return index in self._set_up

    def build_cache(self, index: int) -> None:
        """Build one cache from the view that the getter returns. A space that is closed by now is not asked."""
        name, addr, length, write = self._set_up[index]
        space = self._run.stage.spaces.get(name)
        if space is not None:
            self._built[index] = (
                space,
                caching.cache_init(self._run.memory, space, addr, length, write, "address_space_cache_init"),
            )

    def build_caches(self) -> None:
        """Build all that are set up."""
        for index in sorted(self._set_up):
            self.build_cache(index)

    def check_ring(self, index: int) -> Refusal | None:
        """Read through a cache; one that is not there reads zeros, and is a finding."""
        if index in self._built:
            self._built[index][1].read(0, 1)
        elif index in self._set_up and self._set_up[index][0] in self._run.stage.spaces:
            run = self._run
            run.find("divergence", "device-state", "check", "no-cache", f"{SLOTS[index]} is read before it is built")
        return None

    def error(self, message: str) -> None:
        """A device would be broken now."""
        self._run.say(message)

    def stale(self, index: int) -> bool | None:
        """Whether a cache's view is not its space's any more (I18); None if it is not built."""
        if index not in self._built:
            return None
        space, cache = self._built[index]
        return cache.view is not space.current

    def read(self, index: int) -> None:
        """Read a byte through a cache, if it is there."""
        if index in self._built:
            self._built[index][1].read(0, 1)

    def kept(self) -> tuple[object, ...]:
        """What the caches point at, of spaces that are open."""
        spaces = self._run.stage.spaces
        return tuple(
            (f"cache {SLOTS[index]}", *self._points(index))
            for index, (name, *_) in sorted(self._set_up.items())
            if name in spaces
        )

    def _points(self, index: int) -> tuple[object, ...]:
        if index not in self._built:
            return ("not built",)
        cache = self._built[index][1]
        return cache.region, cache.xlat, cache.length
