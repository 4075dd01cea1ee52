"""What was asked of `vmfuzz show`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vmformat.render import Detail

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT: Final = 64
"""Elements of an array that are shown unless more are asked for."""


class OptionError(Exception):
    """Options that cannot be used together, in one line."""


@dataclass(frozen=True, slots=True)
class ShowOptions:
    """The options, as typed. What they do is in the help of the command.

    At most one of `views` is on; none is the tree.
    """

    stream: str
    machine: str | None = None
    paths: tuple[str, ...] = ()
    snapshot: str | None = None
    json: bool = False
    hex: bool = False
    sizes: bool = False
    ram: bool = False
    coverage: bool = False
    faults: bool = False
    text: bool = False
    depth: int | None = None
    limit: int = LIMIT
    all: bool = False
    flat: bool = False
    strict: bool = False
    pager: bool = True
    color: bool | None = None
    kind: str | None = None

    @property
    def views(self) -> Mapping[str, bool]:
        """Ways to look at a stream, of which one can be chosen."""
        names = ("hex", "sizes", "ram", "coverage", "faults", "text")
        return {f"--{name}": bool(getattr(self, name)) for name in names}

    @property
    def view(self) -> str:
        """The one chosen, without dashes; "tree" if none is."""
        return next((name[2:] for name, on in self.views.items() if on), "tree")

    @property
    def detail(self) -> Detail:
        """How much is shown."""
        if self.all:
            return Detail(self.depth, None, fold=False, flat=self.flat)
        return Detail(self.depth, self.limit or None, fold=True, flat=self.flat)

    def check(self) -> None:
        """Raise OptionError for options that contradict each other."""
        chosen = [name for name, on in self.views.items() if on]
        if len(chosen) > 1:
            raise OptionError(f"{chosen[0]} and {chosen[1]} cannot be used together")
        if self.json and self.view in {"hex", "text"}:
            raise OptionError(f"--json and --{self.view} cannot be used together")
        if self.paths and self.view not in {"tree", "hex"}:
            raise OptionError(f"--path and --{self.view} cannot be used together")
