"""Address spaces: who looks at the tree, from which root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.memory.view import EMPTY

if TYPE_CHECKING:
    from model.memory.listener import Listener
    from model.memory.region import Region
    from model.memory.view import FlatView


class AddressSpace:
    """A name (not unique), a root, and the view that is published now.

    `resolved` is what the root resolved to (`region.view_root`) when the view was last chosen. `listeners` is in
    calling order. Made by `Memory.add_space` only.
    """

    __slots__ = ("current", "listeners", "name", "resolved", "root")

    def __init__(self, name: str, root: Region) -> None:
        self.name = name
        self.root = root
        self.resolved: Region | None = None
        self.current: FlatView = EMPTY
        self.listeners: list[Listener] = []

    def __repr__(self) -> str:
        return f"<AddressSpace {self.name} root={self.root.key}>"
