"""Parity campaigns: mutants of a machine's streams, each loaded by the model and by the real program.

Mutants come from the fuzzer's own mutators. Mutant number i of seed s is a function of (s, i), the machine and its
streams, whatever ran before it and however many processes run beside it; results are told in order of numbers.

The model loads on the calling thread, the programs in processes of their own that other threads wait for.
"""

from __future__ import annotations

from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from fuzz.confirm.families import FAMILIES, family
from fuzz.confirm.hold import in_model, in_programs
from fuzz.confirm.side import Category
from fuzz.mutate.dice import Dice
from fuzz.mutate.single import single_field
from fuzz.qemu import QemuError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from concurrent.futures import Future

    from fuzz.confirm.hold import Against, Held
    from fuzz.confirm.sides import Modelled
    from fuzz.mutate.mutator import Mutator
    from model import Machine

_SPREAD: Final = 0x9E37_79B9_7F4A_7C15
"""Odd, so that numbers times it are all different: seeds of neighbouring mutants have nothing in common."""


@dataclass(slots=True)
class Bench:
    """A machine that mutants are loaded into, its streams by name, and the mutator that knows it."""

    name: str
    machine: Machine
    streams: tuple[tuple[str, bytes], ...]
    mutator: Mutator


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mutant: its number, what it was made from and what it was changed in."""

    number: int
    machine: str
    parent: str
    family: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """A mutant that was held."""

    mutant: Mutant
    held: Held


@dataclass(slots=True)
class Tally:
    """What a campaign came to, in numbers."""

    held: int = 0
    agreeing: int = 0
    explained: int = 0
    """Disagreements of which the model said itself that it does not follow the device there."""
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By what the model said and what the program did."""
    compared: Counter[Category] = field(default_factory=Counter)
    agreed: Counter[Category] = field(default_factory=Counter)
    families: Counter[tuple[str, bool]] = field(default_factory=Counter)
    """By family and whether the verdicts were equal."""

    def add(self, result: Result) -> None:
        """One more."""
        first = result.held.comparisons[0]
        self.held += 1
        self.agreeing += result.held.agrees
        self.explained += not result.held.agrees and not result.held.unexplained
        self.verdicts[first.one.verdict, first.other.verdict] += 1
        self.families[result.mutant.family, first.agrees(Category.VERDICT)] += 1
        for comparison in result.held.comparisons:
            for category in comparison.compared:
                self.compared[category] += 1
                self.agreed[category] += comparison.agrees(category)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "mutants": self.held,
            "agree": self.agreeing,
            "explained": self.explained,
            "categories": {
                category.value: {"compared": self.compared[category], "agree": self.agreed[category]}
                for category in Category
            },
            "verdicts": [
                {"model": model, "qemu": program, "count": count}
                for (model, program), count in sorted(self.verdicts.items())
            ],
            "families": {
                name: {"mutants": equal + different, "same_verdict": equal}
                for name in FAMILIES
                if (equal := self.families[name, True]) + (different := self.families[name, False])
            },
        }


def mutant(bench: Bench, number: int, seed: int, *, single: bool = False) -> Mutant:
    """Mutant `number` (from 0) of the bench's streams; `single`: with one field changed and nothing else."""
    own = (seed * _SPREAD + (number << 32 | crc32(bench.machine.name.encode())) + 1) * _SPREAD >> 17 & 0xFFFF_FFFF
    name, parent = bench.streams[(own >> 16) % len(bench.streams)]
    origin = bench.mutator.parse(parent)
    if single and origin is not None:
        data = single_field(origin, Dice(own))
    else:
        data = bench.mutator.mutate(parent, bench.mutator.max_size, own)
    made = bench.mutator.parse(data)
    kind = family(bench.machine, origin, made) if origin is not None else FAMILIES[-1]
    return Mutant(number, bench.name, name, kind, data)


def campaign(
    benches: Sequence[Bench], count: int, seed: int, against: Against, jobs: int, *, single: bool = False
) -> Generator[Result]:
    """Hold `count` mutants, of each bench in turn; results in order. Raises QemuError."""
    waiting: deque[tuple[Mutant, Future[Held]]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for number in range(count):
                bench = benches[number % len(benches)]
                one = mutant(bench, number // len(benches), seed, single=single)
                modelled = in_model(bench.machine, one.data, against)
                one = Mutant(number, one.machine, one.parent, one.family, one.data)
                waiting.append((one, pool.submit(_patiently, bench.machine, one.data, modelled, against)))
                while waiting and (len(waiting) >= 3 * jobs or waiting[0][1].done()):
                    yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()


def _patiently(machine: Machine, data: bytes, modelled: Modelled, against: Against) -> Held:
    """A process that does not start is tried once more: a busy computer may be all that is wrong."""
    try:
        return in_programs(machine, data, modelled, against)
    except QemuError:
        return in_programs(machine, data, modelled, against)


def _result(one: Mutant, future: Future[Held]) -> Result:
    return Result(one, future.result())
