"""Many devices that hear of one commit, and renew their ring caches all at once.

Behind most commits nothing has happened to any ring: no queue was written to (`queue.Changes`), and the ranges in which
the rings lie are where they were. Then one look is enough for all devices, and what their renewals (`renewal`) come to
is added up already. So a commit costs what has changed, not what there is.

It is done for all of them or for none: where one of them has a ring that cannot be mapped, where a design does more at
a commit than have the caches built, where the budget would end on the way, or where a function is not what it was,
nothing has happened here, and each device is told by itself.

Nothing here lights a probe: what runs depends on what was found before. Whether it is done does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.designs import Design
from model.devices.virtio.queue import Changes
from model.devices.virtio.renewal import as_before, found_for, is_plain, shows
from model.memory.use import current_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.devices.virtio.device import Virtio
    from model.memory import AddressSpace, Cache, Region, Use
    from model.memory.view import Info, Kept


class _Group:
    """The devices that reach memory through one space: what their caches depend on there, and the caches."""

    __slots__ = ("caches", "kept", "ranges", "space")

    def __init__(self, space: AddressSpace) -> None:
        self.space = space
        self.kept: Kept | None = space.current.kept
        self.ranges: dict[tuple[int, int, Info], None] | None = {}
        self.caches: list[Cache] = []

    def holds(self) -> bool:
        """Whether the same would be found through the space's view of now."""
        view = self.space.current
        if self.kept is not view.kept:
            if self.ranges is None or not shows(view, self.ranges):
                return False
            self.kept = view.kept
        return True


class Together:
    """Devices, and what telling all of them comes to. `spaces`: those of which a view is used."""

    __slots__ = ("_changes", "_devices", "_groups", "_listeners", "_reader", "_regions", "_told", "count", "spaces")

    def __init__(self, listeners: Sequence[object], devices: Sequence[Virtio], reader: str) -> None:
        self._listeners, self._devices, self._reader = list(listeners), devices, reader
        self._changes = -1
        groups: dict[AddressSpace, _Group] = {}
        regions: set[tuple[Region, int, bool]] = set()
        self.count = 0
        self._told: tuple[tuple[Virtio, AddressSpace, list[Use]], ...] | None = None
        for device in devices:
            renewal = device.renewal
            assert renewal is not None
            group = groups.setdefault(device.space, _Group(device.space))
            self.count += renewal.count
            regions |= renewal.regions
            if renewal.within is None:
                group.ranges = None
            elif group.ranges is not None:
                group.ranges.update(dict.fromkeys(renewal.within))
            group.caches += [cache for *_, three in renewal.queues if three is not None for cache in three]
        self._groups, self._regions = tuple(groups.values()), tuple(regions)
        self.spaces = tuple(group.space for group in self._groups if group.caches)

    @property
    def told(self) -> tuple[tuple[Virtio, AddressSpace, list[Use]], ...]:
        """Each device, its space, and what it uses of the view."""
        if self._told is None:
            of = ((device, device.space, device.renewal) for device in self._devices)
            self._told = tuple((device, space, last.uses(device, self._reader)) for device, space, last in of if last)
        return self._told

    def holds(self, listeners: Sequence[object], changes: int) -> bool:
        """Whether it would be the same again."""
        return (
            self._changes == changes
            and self._listeners == listeners
            and all(group.holds() for group in self._groups)
            and as_before(self._regions)
        )

    def take_over(self, changes: Changes) -> None:
        """Give each queue the caches that were found."""
        for device in self._devices:
            assert device.renewal is not None
            for queue, *_, three in device.renewal.queues:
                queue.caches = three
        self._changes = changes.count

    def renew(self) -> None:
        """Give all caches the new views."""
        for group in self._groups:
            view = group.space.current
            for cache in group.caches:
                cache.view = view


class Rings:
    """All rings of a machine. `changes`: counts what is written to them, or to what says how they are laid out."""

    def __init__(self) -> None:
        self.changes = Changes()
        self._last: Together | None = None

    def renewed(self, listeners: Sequence[object], devices: Sequence[Virtio], reader: str) -> bool:
        """Whether these devices, whose listeners are due, have renewed their caches; if not, none has."""
        load = devices[0].load
        if load is None or any(device.load is not load for device in devices):
            return False
        tell = None if load.hooks is load.design else getattr(load.hooks, "committed", None)
        if (
            type(load.design).listener_commit is not Design.listener_commit
            or (tell is None and load.hooks is not load.design)
            or not is_plain(load.memory, load)
        ):
            return False
        last = self._last
        if last is None or not last.holds(listeners, self.changes.count):
            if any(found_for(device, device.space.current) is None for device in devices):
                return False
            last = Together(listeners, devices, reader)
        memory = load.memory
        steps = last.count if memory.getter is current_view else 2 * last.count
        if load.steps + steps > load.budget:
            return False
        load.steps += steps
        memory.work.caches += last.count
        if self._last is not last:
            last.take_over(self.changes)
            self._last = last
        last.renew()
        if tell is not None:
            tell(last)
        return True

    def forget(self) -> None:
        """What was found last belongs to a load that is over."""
        self._last = None
