"""One load on its way through what is known: how far it has come, and what it has come to."""

from __future__ import annotations

from dataclasses import replace
from operator import add
from typing import TYPE_CHECKING, Any, Final

from model.known.worlds import NOTHING
from model.outcome import Cost
from model.schedule import POINTS
from model.situation import Situation
from model.uses import with_missed

if TYPE_CHECKING:
    from model.designs import Design
    from model.devices.pci import PciFunction
    from model.known.looks import Looks
    from model.known.pieces import Piece
    from model.known.worlds import Contents, Deed, Due, End, FunctionState, Passage, World
    from model.machine import AnyHandler
    from model.outcome import Cause, Finding, Outcome
    from model.schedule import Schedule, Step
    from model.situation import Facts

_INDEX = {point: number for number, point in enumerate(POINTS)}


COMMAND: Final = 0x08


class Way:
    """Where a load stands: in the stream, in which state, who is still to run; and the passages that led there."""

    __slots__ = ("contents", "data", "ends", "last", "left", "loaded", "passed", "path", "pos", "world")

    def __init__(self, data: bytes, schedule: Schedule, world: World, contents: Contents, start: Piece) -> None:
        self.data = data
        self.pos = 0
        self.ends: tuple[int, ...] = ()
        """Where the packages end in which the load stands, the innermost last."""

        self.world = world
        self.contents = contents
        self.last = start
        self.loaded: dict[AnyHandler, Passage] = {}
        """What each handler has loaded, by the passage that did it last."""

        self.left: tuple[Step, ...] = schedule.steps
        self.passed = [0] * len(POINTS)
        self.path: list[Passage] = []

    def go(self, passage: Passage) -> None:
        """On to where a passage leads."""
        self.path.append(passage)
        self.pos += passage.piece.size
        self.last = passage.piece
        if passage.handler is not None:
            self.loaded[passage.handler] = passage
        self.turn(passage)

    def turn(self, passage: Passage) -> None:
        """What a passage that is not plain changes."""
        if passage.turns_away:
            if passage.piece.data[0] == COMMAND:
                self.ends = (*self.ends, self.pos + int.from_bytes(self.data[self.pos - 4 : self.pos], "big"))
            else:
                self.pos, self.ends = self.ends[-1], self.ends[:-1]
        if passage.world is not None:
            self.world = passage.world
        if passage.contents is not None:
            self.contents = passage.contents
        if passage.points:
            self.passed = list(map(add, self.passed, passage.points))
        if passage.left is not None:
            self.left = passage.left

    @property
    def limit(self) -> int:
        """Where what is read ends: the stream, or the package."""
        return self.ends[-1] if self.ends else len(self.data)

    def has_room(self, passage: Passage) -> bool:
        """Whether the package that a passage leads into is there as a whole."""
        if passage.piece.data[0] != COMMAND:
            return True
        end = self.pos + passage.piece.size
        return not self.ends and end + int.from_bytes(self.data[end - 4 : end], "big") <= len(self.data)

    def steps(self) -> int:
        """The work of the load so far, in model steps."""
        return sum([passage.steps for passage in self.path])

    def due(self, points: tuple[int, ...]) -> Due:
        """Who is to run while these points are passed, with all that they may go by."""
        if not self.left or not points:
            return ()
        passed = self.passed
        steps = []
        for step in self.left:
            index = _INDEX[step.point]
            if 0 <= step.number - passed[index] < points[index]:
                steps.append(step)
        return (tuple(steps), *self.everything()) if steps else ()

    def everything(self) -> Due:
        """Who is still to run, at which point the load stands, and what each handler has loaded."""
        return self.left, tuple(self.passed), frozenset(self.loaded.items())

    def lit(self) -> list[int]:
        """What was lit, by number."""
        return [passage.did.lit for passage in self.path]

    def outcome(self, end: End, design: Design, looks: Looks) -> Outcome:
        """What a load comes to that ends so."""
        deeds = [passage.did for passage in self.path if not passage.is_bare]
        deeds.append(end.did)
        bare = sum([passage.steps for passage in self.path if passage.is_bare])
        loaded = self.loaded
        distances = {one: loaded[one].did.distances for one in looks.watched if one in loaded}
        if end.handler is not None:
            distances[end.handler] = end.did.distances
        return _assembled(deeds, bare, end.outcome, self.pos, design, looks, looks.distances(distances))


def _assembled(
    deeds: list[Deed], bare: int, ending: Outcome, pos: int, design: Design, looks: Looks, distances: Facts
) -> Outcome:
    """The outcome of a load from what each of its steps added; `ending` is what the last came to, from `pos` on."""
    messages: list[str] = []
    missing: set[str] = set()
    acted: list[Any] = []
    pending: dict[str, int] = {}
    harmful: dict[str, int] = {}
    findings: dict[Cause, Finding] = {}
    guest: bool | None = None
    functions: dict[PciFunction, FunctionState] = {}
    reads: set[tuple[str, ...]] = set()
    for deed in deeds:
        if deed.functions:
            functions.update(deed.functions)
        added = deed.added
        if added is NOTHING:
            continue
        messages += added.messages
        missing |= added.not_modelled
        reads.update(added.reads)
        acted += added.acted
        for reader, count in added.pending:
            pending[reader] = pending.get(reader, 0) + count
        for reader, count in added.harmful:
            harmful[reader] = harmful.get(reader, 0) + count
        for cause, finding in added.findings:
            findings.setdefault(cause, finding)
        if added.guest_can_cause is not None:
            guest = added.guest_can_cause
    steps, forced, forced_rebuilds, rebuilds = map(sum, zip(*(deed.numbers[:4] for deed in deeds), strict=True))
    work = [sum(parts) for parts in zip(*(deed.numbers.work for deed in deeds), strict=True)]
    at = ending.at
    return replace(
        ending,
        at=None if at is None else replace(at, offset=at.offset + pos),
        guest_can_cause=guest if ending.verdict == "refused" else None,
        messages=tuple(messages),
        rebuilds=rebuilds,
        forced_commits=forced,
        reads_while_pending=tuple(sorted(pending.items())),
        harmful_reads=tuple(sorted(harmful.items())),
        findings=with_missed(findings.values(), guards=design.guards),
        not_modelled=tuple(sorted(missing)),
        acted=tuple(acted),
        steps=steps + bare,
        cost=Cost(rebuilds, forced, forced_rebuilds, *work),
        situation=Situation(tuple(sorted(reads)), looks.registers(functions), distances),
    )
