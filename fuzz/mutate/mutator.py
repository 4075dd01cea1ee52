"""The custom mutator and crossover that the engine calls.

Most calls read the input as a Stream, apply a few arms and write it back, so that most mutants still parse. An input
that does not parse, and one mutation in sixteen of those that do, goes to bytes. The engine's seed decides
everything: the same calls give the same mutants. A mutant that comes back is mutated as the stream that it was made
as, even if it reads otherwise; so what a call gives may depend on those before.

With `learning` the mutator is told what became of each mutant (`learned`), and makes use of it in three ways: a share
of its mutants comes from a list of trials that are ticked off (`sweep`), another mixes trials from all of that list,
since much is wrong only where two things come together; arms that show something new are chosen more often (`choice`);
and mutants that load to their end are kept as a stock (`stock`) to begin with, since the engine's corpus fills with
inputs that are refused early, whose mutants are refused there too. Without it a mutant depends on its arguments alone.

Where inputs may end with a schedule, it is taken off first and put back at the end, so that all this works on the
stream alone. One mutation in four looks at the schedule, and of those half leave the stream as it is; one in six
loses it, since most findings need none.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fuzz.mutate import (
    again,
    bytes_,
    commands,
    fields,
    patterns,
    pci,
    ram,
    schedule,
    sections,
    structures,
    under,
    virtio,
    virtio_requests,
)
from fuzz.mutate.choice import Wheel
from fuzz.mutate.dice import Dice
from fuzz.mutate.familiar import Familiar, to_bytes
from fuzz.mutate.sweep import FIRST, WHOLE_ONE_IN, Sweep
from model.schedule import EMPTY_SCHEDULE, join, split
from vmformat import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.mutate.scene import Arm, Scene
    from fuzz.mutate.sweep import Turn
    from model.schedule import Schedule
    from vmformat import Schemas, Stream

ARMS: Final[dict[str, tuple[Arm, int]]] = {
    **sections.ARMS,
    **commands.ARMS,
    **fields.ARMS,
    **pci.ARMS,
    **virtio.ARMS,
    **virtio_requests.ARMS,
    **again.ARMS,
    **ram.ARMS,
    **patterns.ARMS,
    **structures.ARMS,
    **under.ARMS,
}
"""All structured arms by name, with their weights."""

BYTES_ONE_IN: Final = 16
SCHEDULE_ONE_IN: Final = 4
UNSCHEDULE_ONE_IN: Final = 6
MOST_ARMS: Final = 5
WAYS: Final[dict[str, int]] = {"arms": 10, "mix": 4, "cross": 2, "bytes": 1}
"""What a mutant is made with, where that is learned, with weights to begin with: a few arms, trials together, two
parents, bytes."""
SWEEP_ONE_IN: Final = 2
"""Mutants that come from the list of trials, as long as there are any left."""
STOCK: Final = 64
"""Streams that loaded to their end, and showed something new, kept to begin with."""
MOST_STEPS: Final = 3
"""Arms of the schedule in one mutation."""


class Mutator:
    """Structure-aware mutations for one machine."""

    def __init__(
        self,
        schemas: Schemas,
        scene: Scene,
        arms: dict[str, tuple[Arm, int]] | None = None,
        *,
        learning: bool = False,
        turn: Turn = FIRST,
    ) -> None:
        """`turn`: where the list of trials begins, with `learning`."""
        self._scene = scene
        arms = ARMS if arms is None else arms
        self._arms: dict[str, Arm] = {name: arm for name, (arm, _) in arms.items()}
        self._wheel = Wheel({name: weight for name, (_, weight) in arms.items()})
        self._steps = Wheel({name: weight for name, (_, weight) in schedule.ARMS.items()})
        self._ways = Wheel(WAYS)
        self._learning = learning
        self._sweep = Sweep(scene.donors, scene, turn)
        self._stock: deque[Stream] = deque(scene.donors, maxlen=STOCK + len(scene.donors))
        self._made: Stream | None = None
        """The stream that the last mutant is, if it is one."""
        self._way = ""
        self._counts: dict[str, list[int]] = {name: [0, 0] for name in (*arms, "bytes", "truncate", "crossover")}
        if learning:
            self._counts |= {"sweep": [0, 0], "mix": [0, 0]}
        if scene.schedules:
            self._counts |= {name: [0, 0] for name in schedule.ARMS}
        self._familiar = Familiar(schemas, scene.donors)
        self._last: list[tuple[bytes, Stream | None]] = [(b"", None)]
        self.engine: Callable[[bytes, int], bytes] | None = None
        """libFuzzer's own byte mutation; set by the worker."""
        self._used: dict[str, None] = {}

    @property
    def made_by(self) -> tuple[str, ...]:
        """Arms that made the last mutant, in the order of their first use."""
        return tuple(self._used)

    @property
    def max_size(self) -> int:
        """Longest input worth making, bytes."""
        return self._scene.max_size

    def counts(self) -> dict[str, list[int]]:
        """Per arm: how often tried, how often it changed the input."""
        return {name: list(counts) for name, counts in self._counts.items()}

    def weights(self) -> dict[str, float]:
        """How likely arms are chosen now, by their weights: ways that mutants are made, arms, those of schedules."""
        wheels = (self._ways, self._wheel, *((self._steps,) if self._scene.schedules else ()))
        return {name: weight for wheel in wheels for name, weight in wheel.weights.items()}

    def learned(self, fresh: int, stopped: str | None) -> None:
        """The last mutant was executed: it lit `fresh` counters that none had, and its load stopped at `stopped`.

        `stopped` is `fuzz.engine.target.Execution.stopped`. Without `learning` this is ignored.
        """
        if fresh and self._made is not None:
            self._familiar.keep(self._made)
        if not self._learning:
            return
        way, self._way = self._way, ""
        if way == "sweep":
            self._sweep.answer(stopped)
        gain = 1.0 if fresh else 0.0
        self._ways.credit((way,), gain)
        self._wheel.credit(self._used, gain)
        self._steps.credit(self._used, gain)
        if fresh and stopped == "" and self._made is not None:
            self._stock.append(self._made)
        self._made = None

    def prepare(self) -> None:
        """Work out now what the first mutant would wait for: the list of trials. It takes some tenths of a second."""
        self._sweep.prepare()

    def mutate(self, data: bytes, max_size: int, seed: int) -> bytes:
        """Another input made from `data`, at most `max_size` bytes."""
        return self.mutant(data, max_size, Dice(seed))

    def mutant(self, data: bytes, max_size: int, dice: Dice) -> bytes:
        """The same, as the dice fall."""
        self._begin()
        if self._learning:
            swept = self._swept(dice, max_size)
            if swept is not None:
                return swept
        return self._as_chosen(data, dice, max_size)

    def _as_chosen(self, data: bytes, dice: Dice, max_size: int) -> bytes:
        if not self._scene.schedules:
            return self._mutate(data, dice, max_size)
        stream, steps = split(data)
        if dice.chance(SCHEDULE_ONE_IN):
            changed = self._schedule(steps, stream, dice)
            if changed != steps:
                whole = join(stream, changed)
                if len(whole) <= max_size and dice.chance(2):
                    return whole
                steps = changed
        elif dice.chance(UNSCHEDULE_ONE_IN):
            steps = EMPTY_SCHEDULE
        room = max_size - len(join(b"", steps))
        if room < len(stream):
            return self._mutate(stream, dice, max_size)
        return join(self._mutate(stream, dice, room), steps)

    def tried(self, max_size: int, dice: Dice) -> bytes:
        """A seed with a few of the trials that a campaign goes through (`sweep`); as `mutant` where that gives none."""
        self._begin()
        stream = self._sweep.drawn(dice)
        data = self._write(stream, max_size) if stream is not None else None
        return data if data is not None else self.mutant(b"", max_size, dice)

    def _begin(self) -> None:
        self._used.clear()
        self._made = None
        self._way = ""

    def _swept(self, dice: Dice, max_size: int) -> bytes | None:
        """A mutant from the list of trials, if it is its turn. Else the way is chosen."""
        left = self._sweep.left
        stream = self._sweep.whole() if dice.chance(WHOLE_ONE_IN) else None
        self._way = "sweep"
        if stream is None and not (left and dice.chance(SWEEP_ONE_IN)):
            self._way = self._ways.pick(dice)
            if self._way != "mix":
                return None
        counts = self._counts[self._way]
        counts[0] += 1
        if stream is None:
            stream = self._sweep.mutant(dice) if self._way == "sweep" else self._sweep.mixed(dice)
        data = self._write(stream, max_size) if stream is not None else None
        if data is None:
            self._way = "arms"
            return None
        counts[1] += 1
        self._used[self._way] = None
        return data

    def _schedule(self, steps: Schedule, data: bytes, dice: Dice) -> Schedule:
        setting = schedule.Setting(self._scene, self.parse(data))
        for _ in range(dice.few(MOST_STEPS)):
            name = self._steps.pick(dice)
            counts = self._counts[name]
            counts[0] += 1
            changed = schedule.ARMS[name][0](steps, dice, setting)
            if changed is not None and changed != steps:
                counts[1] += 1
                self._used[name] = None
                steps = changed
        return steps

    def _mutate(self, data: bytes, dice: Dice, max_size: int) -> bytes:
        if self._way != "bytes" if self._learning else not dice.chance(BYTES_ONE_IN):
            stream: Stream | None
            if self._learning and self._stock and dice.chance(2):
                stream = self._stock[-1 - dice.low(len(self._stock))] if dice.chance(2) else dice.pick(self._stock)
            else:
                stream = self.parse(data)
                if stream is None and self._scene.donors and dice.chance(4):
                    stream = dice.pick(self._scene.donors)  # a dead end: start over from a seed now and then
            if stream is not None:
                mutant = self._structured(stream, dice, max_size)
                if mutant is not None and mutant != data:
                    return mutant
        return self._bytes(data, dice, max_size)

    def _structured(self, stream: Stream, dice: Dice, max_size: int) -> bytes | None:
        used: list[str] = []
        for _ in range(dice.few(MOST_ARMS)):
            name = self._wheel.pick(dice)
            counts = self._counts[name]
            counts[0] += 1
            try:
                mutant = self._arms[name](stream, dice, self._scene)
            except StreamError:  # a payload altered so far that its own grammar no longer applies
                mutant = None
            if mutant is not None:
                counts[1] += 1
                used.append(name)
                stream = mutant
        if not used:
            return None
        data = self._write(stream, max_size)
        if data is not None:
            self._used.update(dict.fromkeys(used))
        return data

    def _write(self, stream: Stream, max_size: int) -> bytes | None:
        """The stream's bytes, remembered with the stream so that the next mutation of them need not read them."""
        try:
            data = to_bytes(stream)
        except StreamError:
            return None
        if len(data) > max_size:
            return None
        self._remember(data, stream)
        self._made = stream
        return data

    def _bytes(self, data: bytes, dice: Dice, max_size: int) -> bytes:
        if dice.chance(4) and len(data) > 1:
            self._counts["truncate"][0] += 1
            self._counts["truncate"][1] += 1
            self._used["truncate"] = None
            return bytes_.truncate(dice, data)[:max_size]
        self._counts["bytes"][0] += 1
        self._counts["bytes"][1] += 1
        self._used["bytes"] = None
        return bytes_.havoc(dice, data, max_size, self.engine)

    def crossover(self, first: bytes, second: bytes, max_size: int, seed: int) -> bytes:
        """An input with parts of both: sections grafted on, or the head of one and the tail of the other."""
        dice = Dice(seed)
        self._begin()
        if self._learning:
            swept = self._swept(dice, max_size)
            if swept is not None:
                return swept
            if self._way != "cross":
                return self._as_chosen(first, dice, max_size)
        if not self._scene.schedules:
            return self._cross(first, second, dice, max_size)
        (first, one), (second, other) = split(first), split(second)
        mixed = schedule.mix(one, other, dice)
        room = max_size - len(join(b"", mixed))
        if room <= 0:
            mixed, room = EMPTY_SCHEDULE, max_size
        return join(self._cross(first, second, dice, room), mixed)

    def _cross(self, first: bytes, second: bytes, dice: Dice, max_size: int) -> bytes:
        self._counts["crossover"][0] += 1
        self._used["crossover"] = None
        one, other = self.parse(first), self.parse(second)
        if one is not None and other is not None and not dice.chance(BYTES_ONE_IN):
            if dice.chance(3):
                head = one.records[: dice.below(len(one.records) + 1)]
                tail = other.records[dice.below(len(other.records) + 1) :]
                mutant: Stream | None = replace(one, records=(*head, *tail))
            else:
                mutant = sections.graft(one, other, dice)
            data = self._write(mutant, max_size) if mutant is not None else None
            if data is not None:
                self._counts["crossover"][1] += 1
                return data
        cut, paste = dice.below(len(first) + 1), dice.below(len(second) + 1)
        return (first[:cut] + second[paste:])[:max_size]

    def parse(self, data: bytes) -> Stream | None:
        """The input as a stream; None when it does not parse. What was made or parsed last is at hand."""
        for known, stream in self._last:
            if known == data:
                return stream
        parsed: Stream | None
        try:
            parsed = self._familiar.read(data)
        except StreamError:
            parsed = None
        self._remember(data, parsed)
        return parsed

    def _remember(self, data: bytes, stream: Stream | None) -> None:
        """Most mutants are mutated again at once: as what they were made as, or as what they were known as before."""
        if all(data != known for known, _ in self._last):
            self._last = [(data, stream), self._last[0]]
