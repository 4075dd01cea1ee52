"""What changes the tree: the mutators of memory.md 2.2, in its order, each with its own rule for the pending flag.

The rules are kept to the letter, the odd ones as well: the test looks at a region and its container and at nothing
above them, so that a resized orphan rebuilds every view; and `set_address` of a root without container rebuilds none,
although it shifts one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from model.memory import region
from model.memory.errors import MemoryAbort
from model.memory.region import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.memory.changes import Record
    from model.memory.region import Region


class Mutators(ABC):
    """The mutators, over a core that has transactions and a journal (`model.memory.memory`)."""

    heard: Callable[[bool, Region, Region], None] | None
    ioeventfd_pending: bool
    log: list[tuple[object, ...]]

    @abstractmethod
    def begin(self) -> None:
        """Open a transaction."""

    @abstractmethod
    def commit(self) -> None:
        """Close it."""

    @abstractmethod
    def mark_pending(self, wanted: bool) -> None:
        """Note that the views are out of date."""

    @abstractmethod
    def _touch(self, mr: Region) -> None:
        """Fields of a region are about to be written: a rollback is to know them as they are."""

    @abstractmethod
    def _made(self, name: str, kind: Kind, size: int, alias: Region | None, fields: dict[str, object]) -> Region:
        """A region as just made, of which a rollback takes care."""

    @abstractmethod
    def _changed(self, key: tuple[object, ...], mr: Region, records: tuple[Record, ...]) -> None:
        """Note a mutation of `mr` (for a list: of its container), and where it can be seen."""

    def add_subregion(self, container: Region, offset: int, sub: Region, priority: int = 0) -> None:
        """Put a detached region into a container at an offset (0..2**64-1); it wins against equal priorities.

        Raises MemoryAbort if it has a container already.
        """
        if sub.container is not None:
            raise MemoryAbort("memory_region_add_subregion_common: Assertion `!subregion->container' failed.")
        self._touch(sub)
        sub.container = container
        sub.priority = priority
        moved = sub.addr != offset
        if moved:
            sub.addr = offset
        self._count_aliases(sub, 1)
        self.begin()
        self._touch(container)
        container.subregions = region.insert(container.subregions, sub)
        records: tuple[Record, ...] = ((container, offset, offset + sub.size),)
        if moved:
            records = (*records, (sub, 0, -1))
        self._changed(("add", container, offset, sub, priority), container, records)
        self.mark_pending(container.enabled and sub.enabled)
        if self.heard is not None:
            self.heard(True, container, sub)
        self.commit()

    def del_subregion(self, container: Region, sub: Region) -> None:
        """Take a region out of its container; it keeps offset and priority.

        Raises MemoryAbort if it is not there.
        """
        if sub.container is not container:
            raise MemoryAbort("memory_region_del_subregion: Assertion `subregion->container == mr' failed.")
        self.begin()
        self._touch(sub)
        sub.container = None
        self._count_aliases(sub, -1)
        siblings = container.subregions
        at = siblings.index(sub)
        self._touch(container)
        container.subregions = siblings[:at] + siblings[at + 1 :]
        self._changed(("del", container, sub), container, ((container, sub.addr, sub.addr + sub.size),))
        self.mark_pending(container.enabled and sub.enabled)
        if self.heard is not None:
            self.heard(False, container, sub)
        self.commit()

    def set_enabled(self, mr: Region, enabled: bool) -> None:
        """Show or hide a region with all below it. Marks pending whatever the region is attached to."""
        if mr.enabled == enabled:
            return
        self.begin()
        self._touch(mr)
        mr.enabled = enabled
        self._changed(("enabled", mr, enabled), mr, ((mr, 0, mr.size),))
        self.mark_pending(True)
        self.commit()

    def set_size(self, mr: Region, size: int) -> None:
        """Change the size (0..2**64). Marks pending even on a disabled orphan."""
        size = region.whole_size(size)
        if mr.size == size:
            return
        self.begin()
        lo, hi = min(mr.size, size), max(mr.size, size)
        records: tuple[Record, ...] = ((mr, lo, hi),)
        if mr.container is not None:
            records = (*records, (mr.container, mr.addr + lo, mr.addr + hi))
        self._touch(mr)
        mr.size = size
        self._changed(("size", mr, size), mr, records)
        self.mark_pending(True)
        self.commit()

    def set_address(self, mr: Region, address: int) -> None:
        """Move within the container: taken out and put in again, so it wins against equals. An orphan only notes it."""
        if mr.addr == address:
            return
        container = mr.container
        if container is None:
            self._touch(mr)
            mr.addr = address
            self._changed(("address", mr, address), mr, ((mr, 0, -1),))
            return
        self.begin()
        self.del_subregion(container, mr)
        self.add_subregion(container, address, mr, mr.priority)
        self.commit()

    def set_alias_offset(self, alias: Region, offset: int) -> None:
        """Show the target from another offset (0..2**64-1). Raises MemoryAbort if the region is no alias."""
        if alias.alias is None:
            raise MemoryAbort("memory_region_set_alias_offset: Assertion `mr->alias' failed.")
        self._attribute(alias, "alias_offset", offset)

    def set_readonly(self, mr: Region, readonly: bool) -> None:
        """Set the region's own read-only flag, which all that is shown through it inherits."""
        self._attribute(mr, "inherit", mr.inherit & ~1 | readonly)

    def set_nonvolatile(self, mr: Region, nonvolatile: bool) -> None:
        """Set the region's own non-volatile flag, which all that is shown through it inherits."""
        self._attribute(mr, "inherit", mr.inherit & ~2 | nonvolatile << 1)

    def set_romd(self, mr: Region, romd: bool) -> None:
        """Switch a ROM device between direct reads and its handlers. Raises MemoryAbort if it is none."""
        if mr.kind is not Kind.ROMD:
            raise MemoryAbort("memory_region_rom_device_set_romd: Assertion `mr->rom_device' failed.")
        if mr.romd_mode != romd:
            self._touch(mr)
            mr.leaf = 4 if romd else 0
            self._attribute(mr, "romd_mode", romd)

    def add_eventfd(self, mr: Region) -> None:
        """Attach an ioeventfd: only the ioeventfd flag is set (5.5)."""
        self._eventfd(mr, 1)

    def del_eventfd(self, mr: Region) -> None:
        """Detach an ioeventfd. Raises MemoryAbort if there is none."""
        if mr.eventfds == 0:
            raise MemoryAbort("memory_region_del_eventfd: Assertion `i != mr->ioeventfd_nb' failed.")
        self._eventfd(mr, -1)

    def init_alias(self, alias: Region, offset: int, size: int) -> None:
        """Make an alias anew in the place of the old one, as devices do that delete and re-create it.

        Enabled, address 0, no flags, detached; no transaction and nothing pending. Raises MemoryAbort if it still has a
        container or is no alias.
        """
        if alias.container is not None or alias.alias is None:
            raise MemoryAbort("object_finalize: Assertion `!mr->container' failed.")
        size = region.whole_size(size)
        records = ((alias, 0, max(alias.size, size)), (alias, 0, -1))
        self._touch(alias)
        alias.alias_offset, alias.size, alias.addr, alias.inherit, alias.enabled = offset, size, 0, 0, True
        self._changed(("init", alias, offset, size), alias, records)

    def create(self, name: str, kind: Kind, size: int, *, alias: Region | None = None, **fields: object) -> Region:
        """Make a region at run time: like `Region(...)`, but a rollback forgets it.

        It may be one that a rollback has put back to how it was made: the trees that it stands in are known then.
        """
        return self._made(name, kind, size, alias, fields)

    def destroy(self, mr: Region) -> None:
        """Finalize a region that has no container: disabled first, so losing its children marks nothing.

        Raises MemoryAbort if it still has a container.
        """
        if mr.container is not None:
            raise MemoryAbort("memory_region_finalize: Assertion `!mr->container' failed.")
        self._touch(mr)
        mr.enabled = False
        self._changed(("enabled", mr, False), mr, ((mr, 0, mr.size),))
        self.begin()
        for child in mr.subregions:
            self.del_subregion(mr, child)
        self.commit()
        if mr.alias is not None:
            self._touch(mr.alias)
            mr.alias.aliases = [other for other in mr.alias.aliases if other is not mr]

    def _attribute(self, mr: Region, name: str, value: object) -> None:
        if getattr(mr, name) == value:
            return
        self.begin()
        self._touch(mr)
        setattr(mr, name, value)
        self._changed((name, mr, value), mr, ((mr, 0, mr.size),))
        self.mark_pending(mr.enabled)
        self.commit()

    def _eventfd(self, mr: Region, step: int) -> None:
        self.begin()
        self._touch(mr)
        mr.eventfds += step
        if mr.enabled:
            self.ioeventfd_pending = True
        self.commit()

    def _count_aliases(self, mr: Region, step: int) -> None:
        target = mr.alias
        while target is not None:
            self._touch(target)
            target.mapped_via_alias += step
            target = target.alias
