"""Trials of the systematic stage (`sweep`): one thing changed in one section, and which of them there are.

A field has a list of values (`values.candidates`); a register of a PCI function a list of its bits, those that a guest
can write and one of each byte that the load compares; a section a list of ways to be sent otherwise.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Final

from fuzz.mutate import bars, limits, pokes, values
from fuzz.mutate.counts import Counted, count_in, counts_of, numbers_of, recounted
from fuzz.mutate.framing import FRAMING
from fuzz.mutate.index import INTEGERS, forget, index_of, moves_others, read_leaf, write_leaf
from fuzz.mutate.lists import grown, lists_of
from fuzz.mutate.meaning import ORDER, capacities, leaf_meaning, means
from fuzz.mutate.pci import CHIPSET
from fuzz.mutate.registers import BARS, COMMAND, HEADER, ROM_SLOT, Config, config_of, functions, get, put, rom_of
from fuzz.mutate.rings import trials_of_rings
from fuzz.mutate.sections import kind_of
from fuzz.mutate.shadows import trials_of_shadows
from fuzz.mutate.subsections import added, dropped, missing, present, repeated, strange
from fuzz.mutate.windows import trials_of_windows
from vmformat import Section, StreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fuzz.mutate.index import Index
    from fuzz.mutate.layout import Span
    from fuzz.mutate.scene import Scene
    from vmformat import Stream

_ROUND: Final = len(ORDER)
_AHEAD: Final = 0.4
"""Part of the first round in which the framing is tried, on the one kind that has it there."""
_LONGER: Final = ORDER.index("number")
"""Where in the first round sections are that have something more; what stands in it comes a round later."""
_RISKS: Final = {"version": 0.6, "end": 0.6, "count": 0.06, "index": 0.06}
"""How likely a value of that meaning gets the load refused, before anybody tried."""
_SMALL: Final = 0.1
"""A risk that is taken several times in one section."""
_ALL_BITS: Final = 0xFF
_COMPARED: Final = 0.9
_LATER: Final = 4
"""Rounds that bytes of a config space wait that are nobody's register."""
_HEADER: Final = 0x40
"""Bytes of the header of a config space."""
_LAST_BAR: Final = 5
_BESIDE: Final = 3
"""Fields between an index and a count that may belong to it."""
_PAIRED: Final = 4
"""Values of an index that are tried with a count of 1."""
_ELEMENTS: Final = 4
"""Elements of an array that are tried one by one."""
_RARE: Final = 9
"""Round of what goes wrong in frames less often."""
_ALIKE: Final = 3
"""Devices of one kind in a seed that trials are made for."""

_ALL_PORTS: Final = 1 << 16
_A_ROUND: Final = 3
"""Places for a BAR or a ring that are tried in one round."""
_WINDOWS_LATER: Final = 8
"""Windows that a bridge is given behind all others, too."""
_NEIGHBOURS: Final = 8
"""BARs of others that a BAR is put onto and beside."""
_NEAR: Final = 16
"""Bytes between registers of one function that are changed together."""
_IN_A_ROUND: Final = 3
"""Bits of a register that steers the memory layout that are tried in one round."""
_SWITCHES: Final = (COMMAND, COMMAND + 1)
_MORE: Final = (1, 2)
"""Elements that a list grows by."""
_AT_ONCE: Final = 6
"""Values that all fields are given at once of what a section has not had, before each is given them by itself."""
_NEW: Final = 2
"""Elements that are tried of an array which a section has not had."""
_IN_LISTS: Final = 8
"""Values that are tried in each field of a new element."""
_LAST: Final = re.compile(r"[.@]")

Change = Callable[[Section], "Section | tuple[Section, ...] | None"]
"""What a trial does: the section that stands in the place of one, or those that do; None where it has nothing to do."""


Key = tuple[str, str | float]
"""What trials have in common."""

Compared = tuple[int, int]
"""A byte of config space that a load compares: the kind of the space's header, and the offset."""


@dataclass(frozen=True)
class Trial:
    """One change of one section of a kind.

    `field` is what it is a change of, for what is learned. `framing`: it is about the section as a whole, with what
    stands around it; `moves`: it may move what stands behind it in the section. `risk` of a refusal, before anybody
    tried; `value`: what is put there.
    """

    kind: str
    field: str
    change: Change
    risk: float = 0.02
    value: str = ""
    framing: bool = False
    moves: bool = False
    which: int = 0
    """Of the sections of its kind, the one that it is made on if that is free."""
    later: bool = False
    """What stands second in the section's place is sent behind all others instead."""
    element: int = 0
    """Of an array's elements, the one that it changes."""
    register: int = -1
    """Of a config space's registers, the offset of the one that it changes: see `are_apart`."""

    @property
    def shares(self) -> bool:
        """Whether it may go into one section with others."""
        return self.risk <= _SMALL and not (self.framing or self.moves or self.later)

    @property
    def like(self) -> tuple[Key, Key, Key, Key]:
        """What it is judged like, from all trials that were thought as risky to this very field.

        In between: the same changes around any kind of section, or fields of one name; and of those the same value.
        """
        family = self.field if self.framing or ":" in self.field else _LAST.split(self.field)[-1]
        own = f"{self.field}:{self.element}" if self.element else self.field
        return (("", self.risk), ("", family), (family, self.value), (self.kind, own))

    def apply(self, section: Section) -> tuple[Section, ...] | None:
        """What stands in the section's place; None where there is nothing to do."""
        try:
            made = self.change(section)
        except StreamError:
            return None
        return (made,) if isinstance(made, Section) else made


def are_apart(one: int, others: Iterable[int]) -> bool:
    """Whether a register may be changed together with others (`Trial.register`).

    Those that stand near each other say one thing together, and where the command register takes that away nobody sees
    it: each is to be tried with all else as it was.
    """
    return one < 0 or all(
        other < 0 or (abs(one - other) >= _NEAR and one not in _SWITCHES and other not in _SWITCHES) for other in others
    )


def kind(section: Section) -> str:
    """What trials go by: the kind of the device."""
    return kind_of(section)


def enumerate_trials(seeds: Sequence[Stream], scene: Scene) -> list[Trial]:
    """All trials that the sections of some seeds are good for, in the order to try them in.

    Of many devices of one kind in a seed a few stand for all.
    """
    ranked: list[tuple[int, int, Trial]] = []
    known: set[tuple[str, int, str]] = set()
    met: set[Compared] = set()
    for seed in seeds:
        alike: Counter[str] = Counter()
        for section in seed.sections:
            alike[kind(section)] += 1
            if section.name == "ram" or alike[kind(section)] > _ALIKE:
                continue
            which = alike[kind(section)] - 1
            for rank, field, trial in _of_section(section, scene, which, met, is_first=not ranked):
                # What is sent later shows where something else depends on that very section.
                key = trial.kind, trial.which, field
                if key not in known:
                    ranked.append((rank, len(ranked), trial))
                    known.add(key)
    return list(_in_turn(sorted(ranked, key=lambda one: one[:2])))


def _in_turn(ranked: Iterable[tuple[int, int, Trial]]) -> Iterator[Trial]:
    """Round by round, and in each round the kinds of sections evenly: what stands together can go into one mutant."""
    for at, round_ in groupby(ranked, key=lambda one: one[0] // _ROUND):
        by_kind: dict[str, list[Trial]] = {}
        for _, _, trial in round_:
            by_kind.setdefault(trial.kind, []).append(trial)
        for found in by_kind.values():
            _set_apart(found)
        spread = [
            ((place + 0.5) / len(found) * (_AHEAD if trial.framing and not at else 1.0), kind_, trial)
            for kind_, found in enumerate(by_kind.values())
            for place, trial in enumerate(found)
        ]
        yield from (trial for _, _, trial in sorted(spread, key=lambda one: one[:2]))


def _set_apart(found: list[Trial]) -> None:
    """Trials of registers in another order among themselves: neighbours in the line may go together (`are_apart`)."""
    at = [place for place, trial in enumerate(found) if trial.register >= 0]
    blocks: dict[int, deque[Trial]] = {}
    for place in at:
        blocks.setdefault(found[place].register // _NEAR, deque()).append(found[place])
    # Every other block: the last register of one stands right before the first of the next.
    turns = sorted(blocks.items(), key=lambda one: (one[0] % 2, one[0]))
    order = (trial for turn in zip_longest(*(block for _, block in turns)) for trial in turn if trial is not None)
    for place, trial in zip(at, order, strict=True):
        found[place] = trial


def _of_section(
    section: Section, scene: Scene, which: int, met: set[Compared], *, is_first: bool
) -> Iterator[tuple[int, str, Trial]]:
    """`met`: what is compared in the config spaces of sections before, to which this section's is added."""
    index = index_of(section)
    own = kind(section)
    yield from _of_framing(own, is_first=is_first)
    if index is None:
        return
    yield from _of_subsections(own, section, index)
    yield from _of_lists(own, section, index, scene)
    config = config_of(section)
    room = capacities(index)
    for pattern in index.patterns:
        leaf = index.places[pattern][0]
        if config is not None and config.offset <= leaf.offset < config.offset + config.size:
            continue
        for number in _numbers(index.count(pattern)):
            for rank, change, label, risk in _of_leaf(index, pattern, number, section, room.get(pattern, ())):
                # Elements behind the first take their turn later.
                later = rank + _ROUND * (1 if number else 0)
                yield (
                    later,
                    f"{pattern}:{number}:{label}",
                    Trial(own, pattern, change, risk, label, moves=moves_others(pattern), element=number),
                )
    yield from _of_counts(own, section, room, scene)
    yield from _of_pairs(own, section, index)
    place = ORDER.index("address")
    for turn, label, done in trials_of_rings(section, index, scene.places):
        field = label.rpartition(":")[0]
        yield turn // _A_ROUND * _ROUND + place, label, Trial(own, field, done, 0.1)
        again = Trial(own, f"later:{field}", partial(_twice, done), 0.1, later=True)
        yield (turn // _A_ROUND + 1) * _ROUND + place, f"later:{label}", again
    if config is not None:
        named = {leaf.offset for leaves in index.places.values() for leaf in leaves if leaf.size in INTEGERS}
        yield from _of_bars(own, section, config, scene)
        yield from _of_windows(own, section, config, scene)
        yield from _of_config(own, section, config, scene, frozenset(named), met)
        yield from _of_words(own, which, section, config, scene, frozenset(named))
        yield from _of_steering(own, config)
        for turn, label, shown, later in trials_of_shadows(section, config):
            field = label.rpartition(":")[0]
            yield turn * _ROUND + ORDER.index("register"), label, Trial(own, field, shown, 0.05, later=later)


def _of_counts(
    own: str, section: Section, room: Mapping[str, tuple[int, ...]], scene: Scene
) -> Iterator[tuple[int, str, Trial]]:
    """Arrays as long as their counts say: those that the section has, those in subsections that it has not."""
    for counted in counts_of(section):
        have = count_in(section, counted)
        if have is not None:
            for turn, change, what in _numbered(section, counted, have, room, scene):
                label = f"counted:{counted.pattern}"
                yield turn * _ROUND, f"{label}:{what}", Trial(own, label, change, 0.2, what, moves=True)
    for path in missing(section):
        longer = _add(path, None, section)
        for counted in counts_of(longer) if isinstance(longer, Section) else ():
            if counted.path.startswith(path) and isinstance(longer, Section):
                for turn, change, what in _numbered(longer, counted, 0, room, scene):
                    label, more = f"add:{path}:counted", partial(_add, path, change)
                    yield (1 + turn) * _ROUND, f"{label}:{what}", Trial(own, label, more, 0.2, what, moves=True)


def _numbered(
    section: Section, counted: Counted, have: int, room: Mapping[str, tuple[int, ...]], scene: Scene
) -> Iterator[tuple[int, Change, str]]:
    limits_ = (*limits.limits_of(counted.pattern), *room.get(counted.pattern, ()))
    for turn, number in enumerate(numbers_of(have, limits_)):
        made = recounted(section, counted, number)
        if made is not None and len(made.payload) - len(section.payload) < scene.max_size // 2:
            yield turn, partial(_recounted, counted, number), str(number)


def _recounted(counted: Counted, number: int, section: Section) -> Section | None:
    return recounted(section, counted, number)


def _of_pairs(own: str, section: Section, index: Index) -> Iterator[tuple[int, str, Trial]]:
    """An index and a count that stand near each other, of which nobody has more than one.

    Where the count is 0 nobody looks at the index until it is 1. And each of the two may be within what there is room
    for while their sum is not, or the index beyond the count.
    """
    room, counts = capacities(index), means(index).get("count", ())
    for at, pattern in enumerate(index.patterns):
        if pattern not in means(index).get("index", ()) or index.count(pattern) > 1:
            continue
        for other in index.patterns[max(0, at - _BESIDE) : at + _BESIDE + 1]:
            count = index.value(other, 0) if other in counts and index.count(other) == 1 else None
            if count is None or moves_others(other):
                continue
            label = f"{pattern}+{other}"
            number = read_leaf(section, count)
            for rank, change, what, _ in (
                _of_leaf(index, pattern, 0, section, room.get(pattern, ())) if not number else ()
            ):
                if rank >= _PAIRED * _ROUND:
                    break
                yield rank + _ROUND, f"{label}:{what}", Trial(own, label, partial(_with_one, other, change), 0.2)
            most = next(iter((*limits.limits_of(pattern), *room.get(pattern, ()))), 1 << 8 * count.size - 1)
            for turn, (one, two) in enumerate(((most - 1, most), (number + 1, number), (most - 1, 2), (0, most))):
                change = partial(_both, {pattern: one, other: two})
                place = (1 + turn) * _ROUND + ORDER.index("index")
                both = f"{pattern}&{other}"
                yield place, f"{both}:{one}:{two}", Trial(own, both, change, 0.2)


def _both(values_: Mapping[str, int], section: Section) -> Section | None:
    index, made = index_of(section), section
    for pattern, value in values_.items():
        leaf = index.value(pattern, 0) if index is not None else None
        if leaf is None:
            return None
        made = write_leaf(made, leaf, value)
    return None if made.payload == section.payload else made


def _with_one(count: str, change: Change, section: Section) -> Section | tuple[Section, ...] | None:
    counted = pokes.setting(count, 0, 1)(section)
    return None if counted is None else change(counted)


def _numbers(count: int) -> Iterable[int]:
    """Elements of an array that are tried: the first ones, one in the middle, the last."""
    if count <= _ELEMENTS + 2:
        return range(count)
    return dict.fromkeys((*range(_ELEMENTS), count // 2, count - 1))


def _of_leaf(
    index: Index, pattern: str, number: int, section: Section, room: tuple[int, ...]
) -> Iterator[tuple[int, Change, str, float]]:
    leaf = index.value(pattern, number)
    if leaf is None:
        return
    meaning = leaf_meaning(leaf, pattern)
    place = ORDER.index(meaning)
    risk = 0.9 if leaf.type.endswith("equal") else _RISKS.get(meaning, 0.02)
    if leaf.size not in INTEGERS or meaning == "bytes":
        for turn, filling in enumerate((0xFF, 0)):
            yield turn * _ROUND + place, pokes.filling(pattern, number, filling), str(filling), risk
        return
    found = values.candidates(
        meaning,
        read_leaf(section, leaf),
        leaf.size,
        signed=leaf.type.startswith("int"),
        limits=(*limits.limits_of(pattern), *room),
        masks=limits.masks_of(pattern),
    )
    for turn, value in enumerate(found):
        change = pokes.setting(pattern, number, value)
        yield turn * _ROUND + place, partial(_forgetful, change) if moves_others(pattern) else change, hex(value), risk


def _forgetful(change: Change, section: Section) -> Section | tuple[Section, ...] | None:
    """The index of what a change has moved is not that of before."""
    made = change(section)
    return forget(made) if isinstance(made, Section) else made


def _of_bars(own: str, section: Section, config: Config, scene: Scene) -> Iterator[tuple[int, str, Trial]]:
    """Each BAR in other places, and made to answer there."""
    place = ORDER.index("address")
    sizes = scene.bars.get(section.name.rpartition("/")[0], {})
    values_ = {slot: get(section, config, BARS + 4 * slot, 4) for slot in sizes if slot <= _LAST_BAR}
    for slot, old in values_.items():
        offset, size = BARS + 4 * slot, sizes[slot]
        is_io = bool(old & 1)
        kept = 3 if is_io else 0xF
        theirs = [(value & ~3 & -sizes[other], sizes[other]) for other, value in values_.items() if other != slot]
        mine = [(base, length) for base, length in theirs if base and (base < _ALL_PORTS) == is_io]
        others = [span for span in _others(scene, is_io=is_io) if span[0] != old & -size and span not in mine]
        found = (bars.port_places if is_io else bars.memory_places)(size, scene.places, mine, others)
        for turn, value in enumerate(value for value in found if value != old & -size):
            change = partial(_bar, config, offset, value & ~kept | old & kept)
            label = f"bar:{slot}:{value:#x}"
            yield turn // _A_ROUND * _ROUND + place, label, Trial(own, f"bar:{slot}", change, 0.05, register=offset)
            yield from _in_order(own, (1 + turn // _A_ROUND) * _ROUND + place, f"bar:{slot}", label, change)
        if old & 7 == 4 and slot < _LAST_BAR:
            for turn, upper in enumerate(bars.UPPER):
                for lower in (old, old & kept, -size & 0xFFFFFFFF | old & kept):
                    change = partial(_wide, config, offset, lower, upper)
                    label = f"bar:{slot}:{upper:#x}:{lower:#x}"
                    yield turn * _ROUND + place, label, Trial(own, f"bar:{slot}", change, 0.05, register=offset)
    if ROM_SLOT in sizes:
        yield from _of_rom(own, section, config, scene, sizes[ROM_SLOT])


def _of_rom(own: str, section: Section, config: Config, scene: Scene, size: int) -> Iterator[tuple[int, str, Trial]]:
    """The expansion ROM in other places, switched on, where memory is decoded and once where it is not."""
    offset, place = rom_of(section, config), ORDER.index("address")
    found = bars.memory_places(size, scene.places, (), _others(scene, is_io=False))
    for turn, value in enumerate(found):
        change = partial(_bar, config, offset, value | 1)
        trial = Trial(own, f"bar:{ROM_SLOT}", change, 0.05, register=offset)
        yield turn // _A_ROUND * _ROUND + place, f"bar:{ROM_SLOT}:{value:#x}", trial
    for value in found[:_A_ROUND]:
        blind = Trial(own, f"blind:{ROM_SLOT}", partial(_blind, config, offset, value | 1), 0.05, register=offset)
        yield _ROUND + place, f"blind:{ROM_SLOT}:{value:#x}", blind


def _blind(config: Config, offset: int, value: int, section: Section) -> Section | None:
    made = _bar(config, offset, value, section)
    return None if made is None else put(made, config, COMMAND, 1, get(made, config, COMMAND, 1) & ~2)


def _of_windows(own: str, section: Section, config: Config, scene: Scene) -> Iterator[tuple[int, str, Trial]]:
    """A bridge's windows elsewhere, and some of them once everything behind the bridge is loaded."""
    place = ORDER.index("address")
    for turn, label, register, change in trials_of_windows(section, config, scene):
        field, rank = label.rpartition(":")[0].rpartition(":")[0], turn // _A_ROUND * _ROUND + place
        yield rank, label, Trial(own, field, change, 0.05, register=register)
        if turn < _WINDOWS_LATER:
            again = Trial(own, f"later:{field}", partial(_twice, change), 0.05, later=True)
            yield rank + _ROUND, f"later:{label}", again


def _others(scene: Scene, *, is_io: bool) -> list[Span]:
    """The BARs of all functions in all seeds: of ports, or of memory."""
    found: dict[Span, None] = {}
    for donor in scene.donors:
        for _, section, config in functions(donor):
            for slot, size in scene.bars.get(section.name.rpartition("/")[0], {}).items():
                value = get(section, config, BARS + 4 * slot, 4) if slot <= _LAST_BAR else 0
                if value & -size and bool(value & 1) is is_io:
                    found[value & -size, size] = None
    return list(found)[:_NEIGHBOURS]


def _bar(config: Config, offset: int, value: int, section: Section) -> Section | None:
    if config_of(section) != config:
        return None
    return put(put(section, config, offset, 4, value), config, COMMAND, 1, get(section, config, COMMAND, 1) | 7)


def _wide(config: Config, offset: int, lower: int, upper: int, section: Section) -> Section | None:
    made = _bar(config, offset, lower, section)
    return None if made is None else put(made, config, offset + 4, 4, upper)


def _of_config(
    own: str, section: Section, config: Config, scene: Scene, named: frozenset[int], met: set[Compared]
) -> Iterator[tuple[int, str, Trial]]:
    """Bits of a PCI function's config space, byte by byte; `named` are offsets where a register begins.

    What is compared, the same code compares for all: of the first function with such a header it is tried early.
    """
    start, header = config.offset, get(section, config, HEADER, 1) & 0x7F
    writable, compared = scene.masks.get(section.name.rpartition("/")[0], (b"", b""))
    place = ORDER.index("register")
    steering = {at + i for at, size in CHIPSET.get(own, ()) for i in range(size)}
    known = True
    for offset in range(min(config.size, len(section.payload) - start)):
        can = writable[offset] if offset < len(writable) else 0
        known = start + offset in named or 0 < can < _ALL_BITS or (known and offset % 4 != 0)
        must = compared[offset] if offset < len(compared) else 0
        if not known and can == _ALL_BITS and offset % 4:
            continue  # went with the first byte of its four
        if not known and can == _ALL_BITS:
            run = bytes(writable[offset : offset + 4])
            flip = Trial(own, f"config:{offset}", pokes.flipping(start + offset, run), 0.05, register=offset)
            yield _LATER * _ROUND + place, f"config:{offset}:{run.hex()}", flip
            continue
        bits = [1 << bit for bit in range(8) if can >> bit & 1] if known else []
        together = _IN_A_ROUND if offset in steering else 1
        for turn, mask in enumerate(dict.fromkeys((*([can] if len(bits) != 1 and can else ()), *bits))):
            flip = Trial(own, f"config:{offset}", pokes.flipping(start + offset, bytes([mask])), 0.05, register=offset)
            yield (turn // together if known else _LATER) * _ROUND + place, f"config:{offset}:{mask}", flip
        fixed = must & ~can
        if fixed:
            is_new, in_header = (header, offset) not in met, offset < _HEADER
            begins = offset and not compared[offset - 1] & ~writable[offset - 1]
            opens = (header, _HEADER) not in met
            met |= {(header, offset)} if in_header else {(header, offset), (header, _HEADER)}
            later = (0 if in_header or opens else 1 if begins else 2) + (not is_new)
            label, lowest, highest = f"compared:{offset}", fixed & -fixed, 1 << fixed.bit_length() - 1
            for turn, mask in enumerate(dict.fromkeys((lowest, highest))):
                rank = (later + (1 if is_new and in_header else _LATER) * turn) * _ROUND + place
                change = pokes.flipping(start + offset, bytes([mask]))
                yield rank, f"{label}:{mask}", Trial(own, label, change, _COMPARED)
        rest = 0xFF & ~(can | must)
        label = f"rest:{offset}"
        for turn, mask in enumerate(dict.fromkeys((rest, rest & -rest)) if rest else ()):
            later = (2 + turn) * _ROUND + place
            yield (
                later,
                f"{label}:{mask}",
                Trial(own, label, pokes.flipping(start + offset, bytes([mask])), 0.05, register=offset),
            )


def _of_words(
    own: str, which: int, section: Section, config: Config, scene: Scene, named: frozenset[int]
) -> Iterator[tuple[int, str, Trial]]:
    """Registers that stand in one word of four bytes together: all bits that a guest can set, or none of them.

    Also as a second load behind all others: what devices made of memory by then, changes under them.
    """
    start, place = config.offset, ORDER.index("register")
    writable, _ = scene.masks.get(section.name.rpartition("/")[0], (b"", b""))
    for offset in range(0, min(config.size, len(writable), len(section.payload) - start) - 3, 4):
        masks = bytes(writable[offset : offset + 4])
        if not any(masks) or not any(start + offset + i in named or 0 < masks[i] < _ALL_BITS for i in range(4)):
            continue
        for turn, ones in enumerate((True, False)):
            what = "ones" if ones else "zeros"
            label, change = f"{what}:{offset}", pokes.all_bits(start + offset, masks, ones=ones)
            yield (1 + turn) * _ROUND + place, label, Trial(own, label, change, 0.05, register=offset)
            yield from _in_order(own, (1 + turn) * _ROUND + place, label, label, change, which)
    for bit in (1, 2, 4):
        yield from _in_order(own, place, "4", str(bit), pokes.flipping(start + COMMAND, bytes([bit])), which)


def _of_steering(own: str, config: Config) -> Iterator[tuple[int, str, Trial]]:
    """All registers together that steer the memory layout: what one of them moves, another one hides."""
    if own not in CHIPSET:
        return
    rank = _ROUND + ORDER.index("register")
    for byte in (0, 0xFF):
        label, change = f"steering:{byte}", partial(_steered, config, CHIPSET[own], byte)
        yield rank, label, Trial(own, "steering", change, 0.05, register=CHIPSET[own][0][0])
        yield from _in_order(own, rank, "steering", label, change)


def _steered(config: Config, registers: Iterable[tuple[int, int]], byte: int, section: Section) -> Section:
    made = section
    for offset, size in registers:
        made = put(made, config, offset, size, int.from_bytes(bytes([byte]) * size, "little"))
    return made


def _in_order(
    own: str, rank: int, field: str, label: str, change: Change, which: int = 0
) -> Iterator[tuple[int, str, Trial]]:
    """A change of what was loaded already, behind all others; a round later, what was changed is put back there."""
    for turn, (how, order) in enumerate((("later", _twice), ("back", _back))):
        trial = Trial(own, f"{how}:{field}", partial(order, change), 0.05, which=which, later=True)
        yield rank + turn * _ROUND, f"{how}:{label}", trial


def _back(change: Change, section: Section) -> Section | tuple[Section, ...] | None:
    """Changed, and then as it is."""
    first = change(section)
    return (first, section) if isinstance(first, Section) else None


def _twice(change: Change, section: Section) -> Section | tuple[Section, ...] | None:
    """As it is, and then changed."""
    second = change(section)
    return (section, second) if isinstance(second, Section) else None


def _of_framing(own: str, *, is_first: bool) -> Iterator[tuple[int, str, Trial]]:
    """The section as a whole: twice, left out, of another version, number, kind.

    What is done to one section the same code does to the next: all of it is tried on the first kind before it is on any
    other, what is likelier to go wrong before anything else is.
    """
    for turn, name, change, risk in FRAMING:
        first = _ROUND * (turn >= _RARE)
        yield 1 + (first if is_first else turn * _ROUND), name, Trial(own, name, change, risk, framing=True)


def _of_subsections(own: str, section: Section, index: Index) -> Iterator[tuple[int, str, Trial]]:
    """Its subsections: left out, twice; those added that are not there, with each of their fields."""
    for number, one in enumerate(present(section)):
        yield (
            _ROUND,
            f"drop:{one.name}",
            Trial(own, f"drop:{one.name}", partial(_nth, dropped, number), 0.2, moves=True),
        )
        yield (
            _ROUND,
            f"repeat:{one.name}",
            Trial(own, f"repeat:{one.name}", partial(_nth, repeated, number), 0.2, moves=True),
        )
        for turn, byte in enumerate((0, 1, 0xFF)):
            other = partial(_nth, partial(repeated, filled=byte), number)
            label = f"repeat:{one.name}:{byte}"
            yield (1 + turn) * _ROUND, label, Trial(own, label, other, 0.2, moves=True)
    yield _ROUND, "strange", Trial(own, "strange", strange, 0.9, framing=True)
    for path in missing(section):
        label = f"add:{path}"
        longer = _add(path, None, section)
        if not isinstance(longer, Section) or index_of(longer) is None:
            continue
        yield _LONGER, label, Trial(own, label, partial(_add, path, None), 0.1, moves=True)
        yield from _inside(own, label, index, longer, partial(_add, path))


def _of_lists(own: str, section: Section, index: Index, scene: Scene) -> Iterator[tuple[int, str, Trial]]:
    """Its lists: with an element more, with two that are alike, with each field of the new one."""
    for path in lists_of(section):
        for number in _MORE:
            label = f"list:{path}:{number}"
            longer = _grow(path, number, None, section)
            if isinstance(longer, Section) and len(longer.payload) - len(section.payload) < scene.max_size // 2:
                yield _LONGER, label, Trial(own, label, partial(_grow, path, number, None), 0.2, moves=True)
                yield from _inside(own, label, index, longer, partial(_grow, path, number), most=_IN_LISTS)


def _inside(
    own: str,
    label: str,
    index: Index,
    longer: Section,
    make: Callable[[Change, Section], Section | tuple[Section, ...] | None],
    most: int = 1 << 16,
) -> Iterator[tuple[int, str, Trial]]:
    """The fields that a section has which was made longer, and had not before."""
    theirs = index_of(longer)
    if theirs is None:
        return
    moving = tuple(counted.pattern for counted in counts_of(longer))
    at_once: dict[int, list[Change]] = {}
    for pattern in theirs.patterns:
        if pattern in index.places or pattern.endswith("@version"):
            continue
        for number in range(min(_NEW, theirs.count(pattern))):
            found = _of_leaf(theirs, pattern, number, longer, capacities(theirs).get(pattern, ()))
            for rank, change, what, risk in found:
                if rank >= most * _ROUND:
                    break
                if rank < _AT_ONCE * _ROUND and not (moves_others(pattern) or pattern.endswith(moving)):
                    at_once.setdefault(rank // _ROUND, []).append(change)
                field = f"{label}:{pattern}"
                trial = Trial(own, field, partial(make, change), risk, what, moves=True, element=number)
                yield rank + (2 + number) * _ROUND, f"{field}:{number}:{what}", trial
    for turn, changes in at_once.items():
        trial = Trial(own, f"{label}:all", partial(make, partial(_all, tuple(changes))), 0.2, moves=True)
        yield (1 + turn) * _ROUND + ORDER.index("count"), f"{label}:all:{turn}", trial


def _all(changes: tuple[Change, ...], section: Section) -> Section | None:
    """Several changes of fields at once; None if none of them has anything to do."""
    made = section
    for change in changes:
        changed = change(made)
        if isinstance(changed, Section):
            made = changed
    return None if made is section else made


def _add(path: str, change: Change | None, section: Section) -> Section | tuple[Section, ...] | None:
    return _longer(path, lambda: added(section, path), change, section)


def _grow(path: str, number: int, change: Change | None, section: Section) -> Section | tuple[Section, ...] | None:
    return _longer(f"{path}+{number}", lambda: grown(section, path, number), change, section)


def _longer(
    name: str, make: Callable[[], Section | None], change: Change | None, section: Section
) -> Section | tuple[Section, ...] | None:
    # Trials are made on seeds, again and again on the same: what each is with something more is kept with it.
    known: dict[str, Section | None] = section.__dict__.setdefault("_mutator_longer", {})
    if name not in known:
        known[name] = make()
    longer = known[name]
    return longer if change is None or longer is None else change(longer)


def _nth(change: Callable[[Section, int], Section | None], number: int, section: Section) -> Section | None:
    return change(section, number)
