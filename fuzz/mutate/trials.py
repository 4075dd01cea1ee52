"""Trials of the systematic stage (`sweep`): one thing changed in one section, and which of them there are.

A field has a list of values (`values.candidates`); a register of a PCI function a list of its bits, those that a guest
can write and one of each byte that the load compares; a section a list of ways to be sent otherwise.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Final

from fuzz.mutate import limits, pokes, values
from fuzz.mutate.alternate import alternate
from fuzz.mutate.config_trials import trials_of_config
from fuzz.mutate.counts import Counted, count_in, counts_of, numbers_of, recounted
from fuzz.mutate.framing import FRAMING
from fuzz.mutate.guards import guarded, guards_of, numbers_for, older, versions_of
from fuzz.mutate.index import INTEGERS, forget, index_of, moves_others, read_leaf, write_leaf
from fuzz.mutate.lists import grown, lists_of
from fuzz.mutate.meaning import ORDER, capacities, leaf_meaning, means
from fuzz.mutate.registers import config_of
from fuzz.mutate.rings import trials_of_rings
from fuzz.mutate.sections import kind_of
from fuzz.mutate.subsections import added, dropped, missing, present, repeated, strange
from fuzz.mutate.trial import A_ROUND, NEAR, ROUND, Change, Trial, twice
from vmformat import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from fuzz.mutate.config_trials import Compared
    from fuzz.mutate.guards import Guard
    from fuzz.mutate.index import Index
    from fuzz.mutate.scene import Scene
    from vmformat import Stream

_AHEAD: Final = 0.4
"""Part of the first round in which the framing is tried, on the one kind that has it there."""
_LONGER: Final = ORDER.index("number")
"""Where in the first round sections are that have something more; what stands in it comes a round later."""
_RISKS: Final = {"version": 0.6, "end": 0.6, "count": 0.06, "index": 0.06}
"""How likely a value of that meaning gets the load refused, before anybody tried."""
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

_MORE: Final = (1, 2)
"""Elements that a list grows by."""
_AT_ONCE: Final = 6
"""Values that all fields are given at once of what a section has not had, before each is given them by itself."""
_NEW: Final = 2
"""Elements that are tried of an array which a section has not had."""
_IN_LISTS: Final = 8
"""Values that are tried in each field of a new element."""


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
    for at, round_ in groupby(ranked, key=lambda one: one[0] // ROUND):
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
    blocks: dict[int, list[Trial]] = {}
    for place in at:
        blocks.setdefault(found[place].register // NEAR, []).append(found[place])
    # Every other block: the last register of one stands right before the first of the next.
    turns = sorted(blocks.items(), key=lambda one: (one[0] % 2, one[0]))
    for place, trial in zip(at, alternate(*(block for _, block in turns)), strict=True):
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
    yield from _of_guards(own, section, index)
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
                later = rank + ROUND * (1 if number else 0)
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
        yield turn // A_ROUND * ROUND + place, label, Trial(own, field, done, 0.1)
        again = Trial(own, f"later:{field}", partial(twice, done), 0.1, later=True)
        yield (turn // A_ROUND + 1) * ROUND + place, f"later:{label}", again
    if config is not None:
        yield from trials_of_config(own, which, section, index, config, scene, met)


def _of_counts(
    own: str, section: Section, room: Mapping[str, tuple[int, ...]], scene: Scene
) -> Iterator[tuple[int, str, Trial]]:
    """Arrays as long as their counts say: those that the section has, those in subsections that it has not."""
    for counted in counts_of(section):
        have = count_in(section, counted)
        if have is not None:
            for turn, change, what in _numbered(section, counted, have, room, scene):
                label = f"counted:{counted.pattern}"
                yield turn * ROUND, f"{label}:{what}", Trial(own, label, change, 0.2, what, moves=True)
    for path in missing(section):
        longer = _add(path, None, section)
        for counted in counts_of(longer) if isinstance(longer, Section) else ():
            if counted.path.startswith(path) and isinstance(longer, Section):
                for turn, change, what in _numbered(longer, counted, 0, room, scene):
                    label, more = f"add:{path}:counted", partial(_add, path, change)
                    yield (1 + turn) * ROUND, f"{label}:{what}", Trial(own, label, more, 0.2, what, moves=True)


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
                if rank >= _PAIRED * ROUND:
                    break
                yield rank + ROUND, f"{label}:{what}", Trial(own, label, partial(_with_one, other, change), 0.2)
            most = next(iter((*limits.limits_of(pattern), *room.get(pattern, ()))), 1 << 8 * count.size - 1)
            for turn, (one, two) in enumerate(((most - 1, most), (number + 1, number), (most - 1, 2), (0, most))):
                change = partial(_both, {pattern: one, other: two})
                place = (1 + turn) * ROUND + ORDER.index("index")
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
            yield turn * ROUND + place, pokes.filling(pattern, number, filling), str(filling), risk
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
        yield turn * ROUND + place, partial(_forgetful, change) if moves_others(pattern) else change, hex(value), risk


def _forgetful(change: Change, section: Section) -> Section | tuple[Section, ...] | None:
    """The index of what a change has moved is not that of before."""
    made = change(section)
    return forget(made) if isinstance(made, Section) else made


def _of_framing(own: str, *, is_first: bool) -> Iterator[tuple[int, str, Trial]]:
    """The section as a whole: twice, left out, of another version, number, kind.

    What is done to one section the same code does to the next: all of it is tried on the first kind before it is on any
    other, what is likelier to go wrong before anything else is.
    """
    for turn, name, change, risk in FRAMING:
        first = ROUND * (turn >= _RARE)
        yield 1 + (first if is_first else turn * ROUND), name, Trial(own, name, change, risk, framing=True)


def _of_subsections(own: str, section: Section, index: Index) -> Iterator[tuple[int, str, Trial]]:
    """Its subsections: left out, twice; those added that are not there, with each of their fields."""
    for number, one in enumerate(present(section)):
        yield (
            ROUND,
            f"drop:{one.name}",
            Trial(own, f"drop:{one.name}", partial(_nth, dropped, number), 0.2, moves=True),
        )
        yield (
            ROUND,
            f"repeat:{one.name}",
            Trial(own, f"repeat:{one.name}", partial(_nth, repeated, number), 0.2, moves=True),
        )
        for turn, byte in enumerate((0, 1, 0xFF)):
            other = partial(_nth, partial(repeated, filled=byte), number)
            label = f"repeat:{one.name}:{byte}"
            yield (1 + turn) * ROUND, label, Trial(own, label, other, 0.2, moves=True)
    yield ROUND, "strange", Trial(own, "strange", strange, 0.9, framing=True)
    for path in missing(section):
        label = f"add:{path}"
        longer = _add(path, None, section)
        if not isinstance(longer, Section) or index_of(longer) is None:
            continue
        yield _LONGER, label, Trial(own, label, partial(_add, path, None), 0.1, moves=True)
        yield from _inside(own, label, index, longer, partial(_add, path))


def _of_guards(own: str, section: Section, index: Index) -> Iterator[tuple[int, str, Trial]]:
    """Fields that another one announces, with each of their values; and the section as older versions have it."""
    for guard in guards_of(section):
        for number in numbers_for(section, guard):
            label = f"guard:{guard.pattern}:{number}"
            longer = _guard(guard, number, None, section)
            if isinstance(longer, Section) and index_of(longer) is not None:
                yield _LONGER, label, Trial(own, label, partial(_guard, guard, number, None), 0.1, moves=True)
                yield from _inside(own, label, index, longer, partial(_guard, guard, number))
    for version in versions_of(section):
        yield _LONGER, f"older:{version}", Trial(own, "older", partial(_older, version), 0.2, str(version), moves=True)


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
                if rank >= most * ROUND:
                    break
                if rank < _AT_ONCE * ROUND and not (moves_others(pattern) or pattern.endswith(moving)):
                    at_once.setdefault(rank // ROUND, []).append(change)
                field = f"{label}:{pattern}"
                trial = Trial(own, field, partial(make, change), risk, what, moves=True, element=number)
                yield rank + (2 + number) * ROUND, f"{field}:{number}:{what}", trial
    for turn, changes in at_once.items():
        trial = Trial(own, f"{label}:all", partial(make, partial(_all, tuple(changes))), 0.2, moves=True)
        yield (1 + turn) * ROUND + ORDER.index("count"), f"{label}:all:{turn}", trial


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


def _guard(guard: Guard, number: int, change: Change | None, section: Section) -> Section | tuple[Section, ...] | None:
    return _longer(f"{guard.path}={number}", lambda: guarded(section, guard, number), change, section)


def _older(version: int, section: Section) -> Section | None:
    return older(section, version)


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
