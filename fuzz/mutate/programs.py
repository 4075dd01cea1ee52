"""Mutations of programs of memory-API calls: the mutator of the target `memory`.

The engine's bytes are read as a program, some calls are changed, and the program is written back. One mutation in
sixteen goes to the bytes themselves, which mean a program whatever they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fuzz.mutate import bytes_
from fuzz.mutate.choice import Wheel
from fuzz.mutate.dice import Dice
from fuzz.programs import WORLDS, Call, Program, decode, encode
from fuzz.programs.program import MAX_CALLS, NUMBERS, READS, TREE, VERBS, WHO, names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fuzz.programs.program import Operand

BYTES_ONE_IN: Final = 16
_OTHERS: Final = (
    "begin",
    "commit",
    "open",
    "close",
    "check",
    "use",
    "load",
    "section",
    "postload",
    "release",
    "eventfd",
)
_TREE: Final = tuple(sorted(TREE))
_READS: Final = tuple(sorted(READS))
_OFTEN: Final = ("add", "del", "move", "enable", "disable")
_UNIT: Final = 0x800


class ProgramMutator:
    """Mutations of programs; the same data, size and seed give the same mutant."""

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.engine: Callable[[bytes, int], bytes] | None = None
        """libFuzzer's own byte mutation; set by the worker."""
        self.made_by: tuple[str, ...] = ()
        """Arms that made the last mutant."""
        self._counts: dict[str, list[int]] = {name: [0, 0] for name in (*_ARMS, "bytes", "crossover")}
        self._wheel = Wheel({name: weight for name, (_, weight) in _ARMS.items()})

    def counts(self) -> dict[str, list[int]]:
        """Per arm: how often tried, how often it changed the input."""
        return {name: list(counts) for name, counts in self._counts.items()}

    def weights(self) -> dict[str, float]:
        """By arm, how likely it is chosen now."""
        return self._wheel.weights

    def learned(self, fresh: int, stopped: str | None) -> None:
        """The last program was executed and lit `fresh` new counters."""
        self._wheel.credit(self.made_by, 1.0 if fresh else 0.0)

    def mutate(self, data: bytes, max_size: int, seed: int) -> bytes:
        """Another program made from `data`, at most `max_size` bytes."""
        return self.mutant(data, max_size, Dice(seed))

    def mutant(self, data: bytes, max_size: int, dice: Dice) -> bytes:
        """The same, as the dice fall."""
        if dice.chance(BYTES_ONE_IN):
            self._counts["bytes"][0] += 1
            self._counts["bytes"][1] += 1
            self.made_by = ("bytes",)
            return bytes_.havoc(dice, data, max_size, self.engine)
        program = decode(data)
        used: dict[str, None] = {}
        for _ in range(dice.few(4)):
            name = self._wheel.pick(dice)
            mutant = _ARMS[name][0](program, dice)
            self._counts[name][0] += 1
            if mutant != program:
                self._counts[name][1] += 1
                used[name] = None
            program = replace(mutant, calls=mutant.calls[:MAX_CALLS])
        self.made_by = tuple(used)
        return encode(program)[:max_size]

    def crossover(self, first: bytes, second: bytes, max_size: int, seed: int) -> bytes:
        """The head of one program and the tail of another, in the world of the first if they share one."""
        dice = Dice(seed)
        one, other = decode(first), decode(second)
        self._counts["crossover"][0] += 1
        self.made_by = ("crossover",)
        if one.world != other.world:
            return first[:max_size]
        self._counts["crossover"][1] += 1
        head = one.calls[: dice.below(len(one.calls) + 1)]
        tail = other.calls[dice.below(len(other.calls) + 1) :]
        return encode(replace(one, calls=(*head, *tail)[:MAX_CALLS]))[:max_size]


def any_call(world: str, dice: Dice, verbs: Sequence[str]) -> Call:
    """A call with one of these verbs and operands that may mean something."""
    verb = dice.pick(verbs)
    operands = tuple(_operand(world, kind, dice) for kind in VERBS[verb])
    if verb == "add":  # what stands later holds what stands before it; the rest is left out
        regions = WORLDS[world].region_names
        holder = 1 + dice.below(len(regions) - 1)
        operands = (regions[dice.below(holder)], regions[holder], *operands[2:])
    who = dice.pick(WHO) if dice.chance(6) else ""
    return Call(verb, operands, who)


def _operand(world: str, kind: str, dice: Dice) -> Operand:
    if kind not in NUMBERS:
        choice = names(WORLDS[world], kind)
        return choice[dice.low(len(choice))] if kind == "slot" else dice.pick(choice)
    low, high = NUMBERS[kind]
    number = dice.low(24) * _UNIT
    if dice.chance(6):
        number += dice.pick((1, 4, 0x10, 0x400, 0x7F0))
    elif dice.chance(16):
        number = high - dice.pick((0, 1, _UNIT, 2 * _UNIT))
    return min(max(number, low), high)


def _insert(program: Program, dice: Dice) -> Program:
    verbs = dice.pick((_TREE, _OFTEN, _READS, _READS, _OTHERS))
    at = dice.below(len(program.calls) + 1)
    call = any_call(program.world, dice, verbs)
    return replace(program, calls=(*program.calls[:at], call, *program.calls[at:]))


def _change_and_look(program: Program, dice: Dice) -> Program:
    """A change of the tree and, right behind it, a look."""
    calls = (any_call(program.world, dice, _TREE), any_call(program.world, dice, _READS))
    at = dice.below(len(program.calls) + 1)
    return replace(program, calls=(*program.calls[:at], *calls, *program.calls[at:]))


def _delete(program: Program, dice: Dice) -> Program:
    if not program.calls:
        return program
    at = dice.below(len(program.calls))
    return replace(program, calls=program.calls[:at] + program.calls[at + 1 + dice.low(8) * dice.chance(4) :])


def _copy(program: Program, dice: Dice) -> Program:
    if not program.calls:
        return program
    call = dice.pick(program.calls)
    at = dice.below(len(program.calls) + 1)
    return replace(program, calls=(*program.calls[:at], call, *program.calls[at:]))


def _swap(program: Program, dice: Dice) -> Program:
    if len(program.calls) < 2:
        return program
    at = dice.below(len(program.calls) - 1)
    one, other = program.calls[at : at + 2]
    return replace(program, calls=(*program.calls[:at], other, one, *program.calls[at + 2 :]))


def _alter(program: Program, dice: Dice) -> Program:
    """Another operand, or another caller."""
    if not program.calls:
        return program
    at = dice.below(len(program.calls))
    call = program.calls[at]
    if not call.operands or dice.chance(8):
        call = replace(call, who=dice.pick(WHO))
    else:
        which = dice.below(len(call.operands))
        kind, value = VERBS[call.verb][which], call.operands[which]
        if isinstance(value, int) and kind in NUMBERS and dice.chance(2):
            low, high = NUMBERS[kind]
            new: Operand = min(max(value + dice.pick((-_UNIT, _UNIT, -1, 1, -0x1000, 0x1000)), low), high)
        else:
            new = _operand(program.world, kind, dice)
        call = replace(call, operands=(*call.operands[:which], new, *call.operands[which + 1 :]))
    return replace(program, calls=(*program.calls[:at], call, *program.calls[at + 1 :]))


def _world(program: Program, dice: Dice) -> Program:
    """The same bytes in another world."""
    names_ = tuple(WORLDS)
    return decode(bytes([dice.below(len(names_))]) + encode(program)[1:])


_ARMS: Final[dict[str, tuple[Callable[[Program, Dice], Program], int]]] = {
    "insert": (_insert, 6),
    "change-and-look": (_change_and_look, 6),
    "delete": (_delete, 5),
    "copy": (_copy, 2),
    "swap": (_swap, 2),
    "alter": (_alter, 8),
    "world": (_world, 1),
}
