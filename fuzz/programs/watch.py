"""The invariants of memory.md 11 while a program runs (I12) and whenever everything is committed (all others)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from fuzz.programs.stage import BrokenInvariant
from model.memory import EMPTY, MemoryAbort
from model.memory.reference import reference_render
from model.memory.region import view_root
from model.memory.validate import validate

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.programs.run import Run
    from fuzz.programs.stage import Stage
    from model.memory import AddressSpace, FlatView


_Of = TypeVar("_Of")


class Watch:
    """Looks after every call. Raises AssertionError, naming the invariant."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._before = (-1, -1, -1)
        self._current: dict[AddressSpace, FlatView] = {}

    def look(self) -> None:
        """Hold what the last call left to the invariants; nothing if it changed nothing."""
        run, memory = self._run, self._run.memory
        rebuilds = memory.rebuilds
        if memory.depth and rebuilds == self._before[1]:
            for space in memory.spaces:
                kept = self._current.get(space, space.current)
                _check(space.current is kept, f"I12: {space} shows another view and nothing was committed")
        self._current = {space: space.current for space in memory.spaces}
        now = (memory.epoch, rebuilds, memory.depth)
        if now == self._before:
            return
        self._before = now
        if memory.depth:
            _renderings(run.stage)
        elif not run.moved_unseen:
            settled(run.stage)


def settled(stage: Stage) -> None:
    """Everything that must hold when nothing is open. Raises AssertionError."""
    validate(stage.memory, stage.regions.values())
    for name, recorder in stage.recorders.items():
        heard, made = recorder.updates, stage.memory.rebuilds
        _check(heard == made, f"I16: {name}'s listener heard {heard} updates of {made}")
        _check(recorder.agrees(stage.spaces[name]), f"I15: what {name}'s listener was told is not what it shows")


def _renderings(stage: Stage) -> None:
    """In a transaction: what would be rendered now is what the literal renderer makes of the tree."""
    roots = {view_root(space.root): space for space in stage.memory.spaces}
    for root, space in roots.items():
        if root is None:
            _check(stage.memory.fresh_view(space) is EMPTY, "I8: the empty view")
            continue
        expected, fresh = _alive(reference_render, root), _alive(stage.memory.fresh_view, space)
        _check((expected is None) == (fresh is None), f"I20: {space} is rendered by one renderer only")
        if expected is not None and fresh is not None:
            _check(fresh.same_content(expected), f"I5: {space}: {fresh.text()} not {expected.text()}")


def forbidden(stage: Stage) -> bool:
    """Whether the literal renderer agrees that no commit would survive this tree (I20)."""
    roots = (view_root(space.root) for space in stage.memory.spaces)
    return any(root is not None and _alive(reference_render, root) is None for root in roots)


def _alive(render: Callable[[_Of], FlatView], of: _Of) -> FlatView | None:
    try:
        return render(of)
    except MemoryAbort:
        return None


def _check(condition: bool, text: str) -> None:
    if not condition:
        raise BrokenInvariant(text)
