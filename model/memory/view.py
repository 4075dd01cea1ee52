"""Flat views: what a rendering of the tree is, once and for all.

A flat view is a function from guest address to (region, offset in region, flags), written down as sorted, disjoint
ranges. It never changes after it was built; everyone who holds one keeps the layout of its moment, which is the very
thing this project is about.

Three parallel lists hold it: `starts`, `ends` (one past the last byte) and `infos`. An info is the triple (region,
base, flags), where `base` is the guest address at which offset 0 of the region lies (negative where an alias shows the
region's middle at address 0). So the offset of an address is `address - base` and needs no storing per range; two
neighbours can be joined exactly when their infos are equal; and comparing two views is comparing lists, done in C.

Invariants (I1-I4 of memory.md 11): starts ascend, `starts[i] < ends[i] <= starts[i+1]`, all in 0..2**64, the region
terminates and its size at rendering time covers the offsets, and no two neighbours that touch have equal infos. The
last one makes the lists canonical: equal functions have equal lists, however they came about. `rendering` relies on it.

Content and identity are two things. Many views may share the same lists (a rendering is remembered and reused), and
with them what others have worked out of the lists (`Kept`); but each rebuild makes its own FlatView objects, as QEMU
does, because caches ask `cache.view is space.current`.

Model: the dirty-log mask of a range is left out. It comes from the region and the accelerator alone, never stops a
merge within one rendering, and no load path modelled here reads it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.memory.pieces import Piece
    from model.memory.region import Region

READONLY = 1
NONVOLATILE = 2
ROMD = 4
"""Flags of an info: read-only and non-volatile by inheritance, and the region's own ROM-device mode."""

Info: TypeAlias = "tuple[Region, int, int]"


@dataclass(frozen=True, slots=True)
class FlatRange:
    """One range: guest addresses `start`..`end`-1 are the region's bytes from `offset` on."""

    start: int
    end: int
    region: Region
    offset: int
    readonly: bool
    nonvolatile: bool
    romd: bool

    @property
    def size(self) -> int:
        """Bytes, 1..2**64."""
        return self.end - self.start


class Kept:
    """What was worked out of the lists of some views, once for all that share them.

    `rows`: the ranges as outcomes tell them; `row_set`: the same ones as a set. `pieces`: what accesses find
    (`model.memory.pieces`).
    """

    __slots__ = ("pieces", "row_set", "rows")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing has been worked out yet."""
        self.pieces: dict[tuple[int, int, bool], Piece] | None = None
        self.rows: tuple[Any, ...] | None = None
        self.row_set: frozenset[Any] | None = None


class FlatView:
    """A rendered layout (see the module's essay). `root` is the resolved root, None for the empty view only.

    `epoch`: that of the tree which a published view shows (`Memory.epoch`); of the empty view it says nothing.
    `kept`: given by who shares the lists of another view.
    """

    __slots__ = ("ends", "epoch", "infos", "kept", "root", "starts")

    def __init__(
        self,
        root: Region | None,
        starts: list[int],
        ends: list[int],
        infos: list[Info],
        epoch: int = 0,
        kept: Kept | None = None,
    ) -> None:
        self.root = root
        self.epoch = epoch
        self.kept = Kept() if kept is None else kept
        self.starts = starts
        self.ends = ends
        self.infos = infos

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> FlatRange:
        return self.clipped(index, 0, self.ends[index])

    def clipped(self, index: int, lo: int, hi: int) -> FlatRange:
        """A range by index, as far as it lies within lo..hi."""
        start = max(self.starts[index], lo)
        region, base, flags = self.infos[index]
        return FlatRange(
            start,
            min(self.ends[index], hi),
            region,
            start - base,
            bool(flags & READONLY),
            bool(flags & NONVOLATILE),
            bool(flags & ROMD),
        )

    def __iter__(self) -> Iterator[FlatRange]:
        for index in range(len(self.starts)):
            yield self[index]

    def __repr__(self) -> str:
        return f"<FlatView {self.root.key if self.root else '(none)'}: {self.text()}>"

    def find(self, address: int) -> int:
        """The index of the range that covers a guest address, or -1."""
        index = bisect_right(self.starts, address) - 1
        return index if index >= 0 and address < self.ends[index] else -1

    def regions(self, lo: int, hi: int) -> Iterator[Region]:
        """The regions shown at addresses lo..hi-1, ascending; one that is shown twice comes twice."""
        for index in range(bisect_right(self.ends, lo), len(self.starts)):
            if self.starts[index] >= hi:
                return
            yield self.infos[index][0]

    def copy(self, epoch: int = 0) -> FlatView:
        """A view of its own identity with the same content."""
        return FlatView(self.root, self.starts, self.ends, self.infos, epoch, self.kept)

    def same_content(self, other: FlatView) -> bool:
        """Whether both map every address alike; roots and identity aside."""
        return self.starts == other.starts and self.ends == other.ends and self.infos == other.infos

    def text(self) -> str:
        """`name(off N) START+SIZE [ro] [nv] | ...` in hex: the form memory.md 3.5 uses."""
        return " | ".join(
            f"{r.region.name}{f'(off {r.offset:x})' if r.offset else ''} {r.start:x}+{r.size:x}"
            f"{' ro' if r.readonly else ''}{' nv' if r.nonvolatile else ''}"
            for r in self
        )


EMPTY = FlatView(None, [], [], [])
"""The view of a root that shows nothing: one object for ever (I8)."""
