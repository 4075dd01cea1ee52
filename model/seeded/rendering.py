"""Faults on the way from the tree to a flat view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.memory import FlatView
from model.seeded.bug import SeededBug

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.memory import Region


class LastByteOfTheRoot(SeededBug):
    """A range that reaches the end of the address space ends one byte before it."""

    source = "memory.md 3.2: clip to the root"
    budget = 2_000

    def render(self, sound: Callable[..., Any], root: Region, _old: FlatView | None, _spans: object) -> FlatView:
        """The root's own ranges aside."""
        view: FlatView = sound(root)
        if view.ends and view.ends[-1] == root.size and view.infos[-1][0] is not root:
            return FlatView(root, view.starts, [*view.ends[:-1], view.ends[-1] - 1], view.infos)
        return view


class WritableBehindAHole(SeededBug):
    """What another region cuts in two is read-only in front of the cut alone."""

    source = "memory.md 3.2"
    budget = 2_000

    def render(self, sound: Callable[..., Any], root: Region, _old: FlatView | None, _spans: object) -> FlatView:
        """The piece behind is painted without what was inherited."""
        view: FlatView = sound(root)
        infos = list(view.infos)
        for number in range(2, len(infos)):
            region, base, flags = view.infos[number]
            if view.infos[number - 2] == (region, base, flags) and view.infos[number - 1][0] is not region:
                infos[number] = (region, base, flags & ~1)
        return FlatView(root, view.starts, view.ends, infos)


class DisabledAliasFollowed(SeededBug):
    """A space whose alias is switched off again goes on showing what the alias shows: bus mastering cannot be lost."""

    source = "memory.md 4.1"
    budget = 2_000

    def view_root(self, sound: Callable[..., Any], root: Region) -> Region | None:
        """Without a look at the alias's own switch."""
        found: Region | None = sound(root)
        if found is None and len(root.subregions) == 1 and root.subregions[0].alias is not None:
            return root.subregions[0].alias
        return found


BUGS: Final = (LastByteOfTheRoot, WritableBehindAHole, DisabledAliasFollowed)
