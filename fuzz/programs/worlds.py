"""The worlds that programs play in: some regions, what holds what at first, and who looks at it.

Aliases show, and containers hold, only what stands before them in the list: so no cycle can arise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from model.memory import T64, Kind


@dataclass(frozen=True, slots=True)
class Part:
    """A region of a world: name, kind, size in bytes, what it shows if it is an alias."""

    name: str
    kind: Kind
    size: int
    target: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class World:
    """`attached`: region, container, offset in bytes, priority, in this order. `spaces`: name, root."""

    name: str
    parts: tuple[Part, ...]
    attached: tuple[tuple[str, str, int, int], ...]
    spaces: tuple[tuple[str, str], ...]

    @property
    def region_names(self) -> tuple[str, ...]:
        """All regions."""
        return tuple(part.name for part in self.parts)

    @property
    def alias_names(self) -> tuple[str, ...]:
        """The aliases; any region where there is none, of which every call is left out."""
        return tuple(part.name for part in self.parts if part.kind is Kind.ALIAS) or self.region_names[:1]

    @property
    def romd_names(self) -> tuple[str, ...]:
        """The ROM devices; as above."""
        return tuple(part.name for part in self.parts if part.kind is Kind.ROMD) or self.region_names[:1]

    @property
    def extra_names(self) -> tuple[str, ...]:
        """Spaces that a program may open and close."""
        return ("x0", "x1")

    @property
    def space_names(self) -> tuple[str, ...]:
        """All spaces, those to be opened too."""
        return (*(name for name, _ in self.spaces), *self.extra_names)


_UNIT: Final = 0x800
"""Half a page, so that dispatch sections have heads and tails."""

_BOARD: Final = World(
    "board",
    (
        Part("ram", Kind.RAM, 2 * _UNIT),
        Part("bar", Kind.IO, 3 * _UNIT),
        Part("flash", Kind.ROMD, 4 * _UNIT),
        Part("dimm", Kind.RAM, 5 * _UNIT),
        Part("bus", Kind.CONTAINER, 8 * _UNIT),
        Part("window", Kind.ALIAS, 2 * _UNIT, "bus"),
        Part("rom", Kind.ROM, 3 * _UNIT),
        Part("bridge", Kind.CONTAINER, 8 * _UNIT),
        Part("view", Kind.ALIAS, 5 * _UNIT, "window"),
        Part("forward", Kind.ALIAS, 6 * _UNIT, "bridge"),
        Part("card", Kind.CONTAINER, 8 * _UNIT),
        Part("shadow", Kind.ALIAS, 3 * _UNIT, "card"),
        Part("iommu", Kind.IOMMU, 12 * _UNIT),
        Part("system", Kind.CONTAINER, T64),
        Part("top", Kind.CONTAINER, T64),
        Part("master", Kind.ALIAS, T64, "system", enabled=False),
        Part("busmaster", Kind.CONTAINER, T64),
    ),
    (
        ("ram", "bus", 0, 0),
        ("bar", "bus", 3 * _UNIT, 0),
        ("flash", "bridge", 1 * _UNIT, 0),
        ("dimm", "bridge", 4 * _UNIT, 1),
        ("bus", "system", 2 * _UNIT, 0),
        ("window", "bridge", 6 * _UNIT, 0),
        ("rom", "card", 1 * _UNIT, 0),
        ("bridge", "system", 8 * _UNIT, 0),
        ("view", "card", 4 * _UNIT, 0),
        ("forward", "top", 0, 0),
        ("card", "top", 3 * _UNIT, 1),
        ("shadow", "system", 5 * _UNIT, 1),
        ("iommu", "top", 16 * _UNIT, 0),
        ("master", "busmaster", 0, 0),
    ),
    (("memory", "system"), ("io", "top"), ("card", "card"), ("shadow", "shadow"), ("forward", "forward"),
     ("dev", "busmaster")),
)  # fmt: skip

_ABCD: Final = World(
    "abcd",
    (
        Part("D", Kind.RAM, 0x1000),
        Part("B", Kind.RAM, 0x2000),
        Part("C", Kind.CONTAINER, 0x2000),
        Part("A", Kind.CONTAINER, 0x4000),
    ),
    (("B", "A", 0, 0),),
    (("memory", "A"),),
)
"""The four regions of the argument of 7 and 8 December 2022; C and D are put in by the program."""

WORLDS: Final = {world.name: world for world in (_BOARD, _ABCD)}
