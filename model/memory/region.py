"""Memory regions, their order among siblings, and the root that a view is rendered from (memory.md 1, 2.1, 4.1)."""

from __future__ import annotations

from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

T64 = 1 << 64
"""One past the last guest address; the size of a region that spans everything."""


class Kind(Enum):
    """The kinds of memory.md 1.1. A reservation is an IO region as far as rendering goes."""

    CONTAINER = "container"
    IO = "io"
    RAM = "ram"
    ROM = "rom"
    ROMD = "romd"
    RAMD = "ramd"
    ALIAS = "alias"
    IOMMU = "iommu"


RAM_KINDS = frozenset({Kind.RAM, Kind.ROM, Kind.RAMD})
"""Kinds whose accesses are cut at the end of a dispatch section (memory.md 8)."""


class Region:
    """A node of the memory tree. Read it freely; change it only through `Memory`.

    `size` is 0..2**64 bytes, `addr` the offset in the container (0..2**64-1, kept while detached), `subregions` is in
    sibling order: winners first. `inherit` (bit 0 read-only, bit 1 non-volatile) is what a rendering hands down from
    here; `leaf` (bit 2, ROM-device mode) is what only its own ranges carry. `aliases` are the regions that show this
    one, attached or not. `mapped_via_alias` counts as memory.md 1.2 says. `eventfds` is how many are attached.
    """

    __slots__ = (
        "addr",
        "alias",
        "alias_offset",
        "aliases",
        "block",
        "container",
        "enabled",
        "eventfds",
        "inherit",
        "key",
        "kind",
        "leaf",
        "mapped_via_alias",
        "name",
        "owner",
        "priority",
        "romd_mode",
        "size",
        "subregions",
        "terminates",
    )

    def __init__(
        self,
        name: str,
        kind: Kind,
        size: int,
        *,
        alias: Region | None = None,
        alias_offset: int = 0,
        block: str = "",
        owner: str = "",
        key: str = "",
        readonly: bool = False,
        nonvolatile: bool = False,
        enabled: bool = True,
    ) -> None:
        """Make a detached region. Raises ValueError for an alias without target and the other way round."""
        if (kind is Kind.ALIAS) != (alias is not None):
            msg = f"region {name!r}: kind {kind.value} {'with' if alias else 'without'} an alias target"
            raise ValueError(msg)
        self.name = name
        self.kind = kind
        self.size = whole_size(size)
        self.addr = 0
        self.priority = 0
        self.enabled = enabled
        self.inherit = int(readonly or kind is Kind.ROM) | (2 if nonvolatile else 0)
        self.romd_mode = True
        self.leaf = 4 if kind is Kind.ROMD else 0
        self.terminates = kind is not Kind.CONTAINER and kind is not Kind.ALIAS
        self.container: Region | None = None
        self.subregions: list[Region] = []
        self.alias = alias
        self.alias_offset = alias_offset
        self.aliases: list[Region] = []
        self.mapped_via_alias = 0
        self.eventfds = 0
        self.block = block
        self.owner = owner
        self.key = key or name
        if alias is not None:
            alias.aliases = [*alias.aliases, self]

    @property
    def readonly(self) -> bool:
        """The region's own flag, which direct accesses heed (memory.md 1.1)."""
        return bool(self.inherit & 1)

    @property
    def nonvolatile(self) -> bool:
        """The region's own flag."""
        return bool(self.inherit & 2)

    @property
    def type_text(self) -> str:
        """The type `info mtree` prints; of an alias, that of its final target."""
        target = self
        while target.alias is not None:
            target = target.alias
        if target.kind is Kind.RAMD:
            return "ramd"
        if target.kind is Kind.ROMD:
            return "romd" if target.romd_mode else "i/o"
        if target.kind in RAM_KINDS:
            return "rom" if target.readonly else "ram"
        return "i/o"

    def is_direct(self, write: bool) -> bool:
        """Whether an access reaches memory without a handler, by the region's own flags only (memory.md 1.1)."""
        if self.kind is Kind.RAM or self.kind is Kind.ROM:
            return not (write and self.inherit & 1)
        return self.kind is Kind.ROMD and self.romd_mode and not write

    def __repr__(self) -> str:
        return f"<Region {self.key} {self.kind.value} {self.addr:#x}+{self.size:#x}>"


CHANGING: Final = (
    "addr", "alias_offset", "aliases", "container", "enabled", "eventfds", "inherit", "leaf", "mapped_via_alias",
    "priority", "romd_mode", "size", "subregions",
)  # fmt: skip
"""The fields that the memory API writes after a region was made."""

State: TypeAlias = "tuple[Any, ...]"
state_of: Final[Callable[[Region], State]] = attrgetter(*CHANGING)
"""What these fields are. Lists are replaced, never changed, so what was got stays what it was."""


def restore(region: Region, state: State) -> None:
    """Give the fields the values that `state_of` got."""
    (
        region.addr, region.alias_offset, region.aliases, region.container, region.enabled, region.eventfds,
        region.inherit, region.leaf, region.mapped_via_alias, region.priority, region.romd_mode, region.size,
        region.subregions,
    ) = state  # fmt: skip


def whole_size(size: int) -> int:
    """QEMU's reading of a 64-bit size: 2**64-1 means 2**64. Raises ValueError below 0 or above 2**64."""
    if not 0 <= size <= T64:
        msg = f"size {size:#x} is not in 0..2**64"
        raise ValueError(msg)
    return T64 if size == T64 - 1 else size


def insert(siblings: list[Region], region: Region) -> list[Region]:
    """Seam: the new list with a region put before the first sibling whose priority is not above its own (2.1)."""
    priority = region.priority
    at = 0
    for sibling in siblings:
        if sibling.priority <= priority:
            break
        at += 1
    return [*siblings[:at], region, *siblings[at:]]


def view_root(root: Region) -> Region | None:
    """Seam: the region an address space is rendered from, or None if nothing is visible (4.1).

    What the shortcut skips loses its attributes, and the region found is rendered at its own `addr` (4.3).
    """
    region = root
    while region.enabled:
        target = region.alias
        if target is not None:
            if region.alias_offset == 0 and region.size >= target.size:
                region = target
                continue
        elif not region.terminates:
            only = None
            for child in region.subregions:
                if child.enabled:
                    if only is not None:
                        return region
                    only = child
            if only is None:
                return None
            if only.addr == 0 and region.size >= only.size:
                region = only
                continue
        return region
    return None
