"""A use of a flat view: who reads, and what (memory.md 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.memory.space import AddressSpace
    from model.memory.view import FlatView

Way: TypeAlias = Literal["raw", "reference", "dispatch"]


@dataclass(frozen=True, slots=True)
class Use:
    """One operation that takes one view: the reader's name, guest address, bytes asked for, direction.

    `maps` is true for operations that return a length (map, cache init): for them a shorter length is a difference.
    `getter` says by which of QEMU's three ways the view is got: "raw" (`address_space_to_flatview`), "reference"
    (`address_space_get_flatview`, which keeps a reference) or "dispatch" (`address_space_to_dispatch`). `rcu`: whether
    the reader is inside an RCU read section, as all but a few are. `commits`: the read is the commit's own (memory.md
    6, "internal").
    """

    reader: str
    addr: int
    length: int
    write: bool = False
    maps: bool = False
    getter: Way = "raw"
    rcu: bool = True
    commits: bool = False


@dataclass(frozen=True, slots=True)
class Remapped:
    """Where an IOMMU sends an access: a space, an address in it, and how many bytes the page still has there."""

    space: AddressSpace
    addr: int
    length: int


def blocked(region: object, offset: int, write: bool) -> Remapped | None:  # noqa: ARG001
    """The default for accesses to an IOMMU region: nothing gets through."""
    return None


def dropped(region: object, offset: int, data: bytes) -> None:
    """The default for writes to a handler: nothing happens."""


Getter: TypeAlias = "Callable[[AddressSpace, Use], FlatView]"
"""What gives every reader its view. A design installs its own as `Memory.getter`."""


def current_view(space: AddressSpace, use: Use) -> FlatView:  # noqa: ARG001
    """The default getter: what is published now, as QEMU gives it, however old."""
    return space.current
