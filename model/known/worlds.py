"""The states that loads lead a machine to, and the ways from one to the next.

**What is remembered.** A load is a walk: each record takes the machine, and what the load has written down so far, from
one state to another. The program is deterministic, so the step is a function of the state and of the record's bytes.
Done once in earnest, it need not be done again: a `Passage` says where it leads and what it adds to the outcome, an
`End` how the load ends with a record and what the outcome then is.

**What a state is.** If it were all that was loaded before, two inputs that differ in the first record would have
nothing in common behind it. So the state is split into what a record may go by:

- the *world*: the memory core (tree, views, transactions, listeners), virtio devices, whatever handlers may see of each
  other, and the few registers of the load that later records go by;
- what a handler has loaded itself, by the passage that did it last (None: nothing);
- the contents of RAM. No state but the loader of RAM goes by all of it; a passage notes what it read, and holds
  wherever the same is there to be read.

Two worlds are one when the same was done to the same world: the calls of the memory API that changed something, in
their order (`Memory.log`), and the registers afterwards. A handler that does nothing to the world leads back to it, and
one that *keeps to itself* (`kinds`) does not even go by it. What cannot be said to be the same is another world: it
costs a load, never an outcome.

**What others do meanwhile** (`model.turns`) is part of a step: a passage counts the points at which somebody might have
run, and holds only where nobody is to run there, or just those who ran then. Who runs may look at anything; such a step
goes by everything, and leads to a world of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from model.memory.ram import PAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.devices.pci import PciFunction
    from model.known.pieces import Piece
    from model.machine import AnyHandler
    from model.memory import Counts, Ram
    from model.outcome import Acted, Cause, Finding, Outcome
    from model.schedule import Step
    from model.situation import Facts

    FunctionState = tuple[bytes | None, bool, tuple[int | None, ...]]
    """Config space (None: the one at reset), whether it has power, where each BAR is mapped."""

Read = tuple[str, int, int, bytes]
"""A read of RAM: block, offset, length, what was there."""

Points = tuple[int, ...]
"""How often each point of a schedule was passed, in the order of `POINTS`."""

Loaded: TypeAlias = "Passage | AnyHandler | None"
"""What a handler has loaded: the passage that did it last, or the handler itself if it has loaded nothing yet."""

Ending: TypeAlias = "tuple[Piece, Loaded, tuple[Loaded, ...]]"
"""What an end goes by besides the world: the record, what its handler had loaded, and all who tell of theirs."""

Due = tuple[Any, ...]
"""Who ran within a step, and all that they may have gone by; empty for nobody."""


class World:
    """What handlers may see of each other. `turns`: whether somebody may still run meanwhile; `waits`: somebody waits
    for the lock, so that each record is one behind which he may run."""

    __slots__ = ("ends", "next", "passages", "turns", "waits")

    def __init__(self, *, turns: bool, waits: bool = False) -> None:
        self.turns = turns
        self.waits = waits
        self.passages: dict[tuple[Piece, Loaded], list[Passage]] = {}
        self.ends: dict[Ending, list[End]] = {}
        self.next: dict[tuple[Any, ...], World] = {}
        """By what was done to it."""


class Contents:
    """What is in RAM: the pages that were written since the machine was pristine."""

    __slots__ = ("_pages", "_ram")

    def __init__(self, ram: Ram, pages: Mapping[str, Mapping[int, bytes | int]]) -> None:
        self._ram = ram
        self._pages = pages

    def fill(self) -> None:
        """Put it there."""
        for name, block in self._ram.blocks.items():
            pages = self._pages.get(name)
            if pages is not None or block.written:
                block.written = dict(pages or {})

    def holds(self, reads: tuple[Read, ...]) -> bool:
        """Whether all that was read stands here as well."""
        return all(self.read(block, offset, length) == there for block, offset, length, there in reads)

    def read(self, name: str, offset: int, length: int) -> bytes:
        """As `Ram.read`."""
        block = self._ram.blocks.get(name)
        if block is None:
            return bytes(length)
        pages = self._pages.get(name, {})
        out = []
        while length:
            number, at = divmod(offset, PAGE)
            n = min(PAGE - at, length)
            page = pages.get(number)
            if page is None:
                page = block.base.get(number, 0)
            out.append(bytes((page,)) * n if isinstance(page, int) else page[at : at + n])
            offset, length = offset + n, length - n
        return out[0] if len(out) == 1 else b"".join(out)


class Added(NamedTuple):
    """What a step adds to the outcome of its load, and to its situation."""

    messages: tuple[str, ...] = ()
    not_modelled: frozenset[str] = frozenset()
    pending: tuple[tuple[str, int], ...] = ()
    harmful: tuple[tuple[str, int], ...] = ()
    findings: tuple[tuple[Cause, Finding], ...] = ()
    acted: tuple[Acted, ...] = ()
    guest_can_cause: bool | None = None
    reads: Facts = ()


NOTHING = Added()


class Numbers(NamedTuple):
    """What a step adds to the counts of its load."""

    steps: int
    forced: int
    forced_rebuilds: int
    rebuilds: int
    work: Counts


class Deed(NamedTuple):
    """What a passage and an end have in common: how it was done, and what it adds.

    `functions`: PCI functions that are another way since. `distances`: of the handler's checked fields, from bounds.
    """

    piece: Piece
    reads: tuple[Read, ...]
    points: Points
    due: Due
    lit: int
    numbers: Numbers
    added: Added
    functions: tuple[tuple[PciFunction, FunctionState], ...]
    distances: Facts


class Passage:
    """A record that was loaded, and behind which the load goes on. See `Deed` for what it did.

    `world`: where it leads, None for where it began. `contents`: what is in RAM then, None for what was. `only`: what
    must be in RAM, if it wrote to it. `left`: who still is to run, None if nobody ran. `passed`: the points that must
    have been passed before, where that shows. `section`, `version`: of the section that the handler has begun last.
    `is_plain`: it changes nothing but what the handler has loaded; `is_quiet`: and goes by nothing else; `skips`: who
    comes behind need not have it done; `is_bare`: it adds `steps` and nothing else. `block`: of RAM's loader, the block
    that was named last. `turns_away`: the load goes on in a package, or behind one.
    """

    __slots__ = (
        "block", "contents", "did", "due", "handler", "is_bare", "is_plain", "is_quiet", "left", "only", "passed",
        "piece", "points", "reads", "section", "skips", "steps", "turns_away", "version", "world",
    )  # fmt: skip

    def __init__(self, did: Deed, handler: AnyHandler | None, before: Loaded, world: World | None) -> None:
        self.did = did
        self.piece, self.reads, self.points, self.due = did.piece, did.reads, did.points, did.due
        self.handler = handler
        self.world = world
        self.skips = self.is_quiet = self.turns_away = False
        self.steps = did.numbers.steps
        self.is_bare = did.added is NOTHING and not did.functions and not any(did.numbers[1:4] + did.numbers.work)
        self.block: str | None = None
        self.is_plain = world is None and not did.points
        self.section, self.version = did.piece.section, did.piece.version
        if did.piece.is_more:
            self.section, self.version = (before.section, before.version) if isinstance(before, Passage) else (0, 0)
        self.contents: Contents | None = None
        self.only: Contents | None = None
        self.left: tuple[Step, ...] | None = None
        self.passed: Points | None = None


class End:
    """A record with which a load ended. `outcome`: what it came to, but for what was added before.

    `left`: who was still to run and did so in the end, with all that they may have gone by. `stops`: whether the stream
    must end there.
    """

    __slots__ = ("did", "due", "handler", "left", "outcome", "piece", "points", "reads", "stops")

    def __init__(self, did: Deed, handler: AnyHandler | None, outcome: Outcome, *, left: Due, stops: bool) -> None:
        self.did = did
        self.piece, self.reads, self.points, self.due = did.piece, did.reads, did.points, did.due
        self.handler = handler
        self.outcome = outcome
        self.left, self.stops = left, stops
