"""Memory listeners and the difference of two views that they are told (memory.md 5.3, 5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.memory.publishing import Difference
    from model.memory.space import AddressSpace
    from model.memory.view import FlatRange, FlatView


class Listener:
    """Subclass it and override what you want to hear; `Memory.register` links it to one address space.

    `priority` is unsigned: lower numbers hear begin, commit, region_add and region_nop first and region_del last; equal
    ones in order of registration. During the region callbacks the space still publishes the old view.

    Overriding costs: a class that overrides no region callback causes no comparison of views, and one that does not
    override `region_nop` none for the ranges that stay. Who overrides `differs` may be told of a rebuild that way
    instead; the two must come to the same. `is_idle`: set by who would do nothing on `commit`, and need not be called.
    """

    hears_begin: ClassVar[bool] = False
    hears_commit: ClassVar[bool] = False
    hears_ranges: ClassVar[bool] = False
    hears_nop: ClassVar[bool] = False
    hears_differences: ClassVar[bool] = False

    is_idle = False

    def __init__(self, priority: int = 0) -> None:
        self.priority = priority

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.hears_begin = cls.begin is not Listener.begin
        cls.hears_commit = cls.commit is not Listener.commit
        cls.hears_nop = cls.region_nop is not Listener.region_nop
        cls.hears_ranges = (
            cls.hears_nop or cls.region_add is not Listener.region_add or cls.region_del is not Listener.region_del
        )
        own = cls.__dict__
        cls.hears_differences = "differs" in own or (
            cls.hears_differences and "region_add" not in own and "region_del" not in own
        )

    def begin(self) -> None:
        """An update starts; all new views are rendered, none is published."""

    def commit(self) -> None:
        """An update is over; all views are published. Changing the tree here is allowed."""

    def commit_for_all(self, listeners: Sequence[Listener]) -> bool:
        """Asked of the first of those that are due: whether it has done what `commit` of each of them does.

        If not, nothing has been done. The next one is told by itself, or asked, and so on.
        """
        return False

    def region_add(self, space: AddressSpace, piece: FlatRange) -> None:
        """A range is new. Changing the tree here loses an update in QEMU (5.4)."""

    def region_del(self, space: AddressSpace, piece: FlatRange) -> None:
        """A range is gone."""

    def region_nop(self, space: AddressSpace, piece: FlatRange) -> None:
        """A range stays as it was."""

    def differs(self, old: FlatView, new: FlatView, told: Difference) -> None:
        """All that `region_del` and `region_add` would be told of a rebuild, at once."""

    def save(self) -> object:
        """The listener's own state when the machine is pristine; what it returns is given to `restore`."""
        return None

    def restore(self, state: object) -> None:
        """Return to a saved state; called at every rollback."""


def diff(old: FlatView, new: FlatView, nops: bool = True) -> tuple[list[FlatRange], list[tuple[bool, FlatRange]]]:
    """Seam: what to tell listeners when a space goes from one view to another (5.3).

    The ranges deleted, ascending; then those added (True) or unchanged (False, only if `nops`), ascending. Ranges are
    the same when start, end, region, offset and all flags are equal.
    """
    removed: list[FlatRange] = []
    added: list[tuple[bool, FlatRange]] = []
    a = b = 0
    na, nb = len(old.starts), len(new.starts)
    while a < na or b < nb:
        if a < na and b < nb and old.starts[a] == new.starts[b]:
            if old.ends[a] == new.ends[b] and old.infos[a] == new.infos[b]:
                if nops:
                    added.append((False, new[b]))
                a += 1
                b += 1
                continue
            removed.append(old[a])
            a += 1
        elif b >= nb or (a < na and old.starts[a] < new.starts[b]):
            removed.append(old[a])
            a += 1
        else:
            added.append((True, new[b]))
            b += 1
    return removed, added
