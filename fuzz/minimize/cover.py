"""The files that are kept: fewest bytes together, then fewest files, that carry all features among them.

This is the weighted set cover problem. There is no quick way for all of it, but corpora are far from the worst of it:

1. Of files with the same features the smallest stays.
2. A file is *essential* if it alone carries some feature: it is kept, and what it carries needs no other.
3. Of the features left only those count whose carriers are few: a feature that every carrier of another one carries,
   too, comes by itself. And a file goes that carries nothing beyond a smaller one. Then others may be essential.
4. What is left falls into parts that share no feature. Each is searched to the end (`search`), which proves that there
   is nothing smaller; a part too hard for that is improved as long as the effort lasts.

No step loses an optimum, so where 4 ends by itself the whole is proved to be the least. Where it does not, the result
is compared with what two plain greedy ways come to on the whole, most new features first as libFuzzer's set cover does,
and fewest bytes for each new feature; the best is taken. So it is never above them. No kept file can be left out: each
costs at least its place in the second part of the cost, and what could be left out has been.

Left out: shrinking files themselves. A stream that is cut shows other things.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.minimize.greedy import fewest_bytes_each, most_new_first, without_needless
from fuzz.minimize.measurement import numbers_of
from fuzz.minimize.search import Effort, Part, solve

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fuzz.minimize.measurement import Features

EFFORT: Final = 20_000_000
"""For all parts together: some seconds. It is counted, so that a busy machine chooses the same."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file: its name (of its content, so that names order files the same everywhere), bytes, and features."""

    name: str
    size: int
    features: Features


@dataclass(frozen=True, slots=True)
class Cover:
    """The candidates kept, by name, and whether it is proved that no fewer bytes do."""

    kept: tuple[Candidate, ...]
    least: bool

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(one.size for one in self.kept)


def cover(candidates: Iterable[Candidate], most: int = EFFORT) -> Cover:
    """The least cover; the same candidates in any order give the same."""
    smallest: dict[Features, Candidate] = {}
    for one in sorted(candidates, key=lambda one: (one.size, one.name)):
        if one.features:
            smallest.setdefault(one.features, one)
    distinct = [*smallest.values()]
    essential = _essential(distinct)
    needed = _union(distinct) & ~_union(essential)
    chosen, parts = _reduced([one for one in distinct if one.features & needed], needed)
    kept, least, effort = [*essential, *chosen], True, Effort(most)
    for part in parts:
        solution, proved = solve(part, effort)
        kept += solution
        least = least and proved
    ways = [kept]
    if not least:
        ways = [without_needless(way) for way in (kept, most_new_first(distinct), fewest_bytes_each(distinct))]
    best = min(ways, key=lambda way: (sum(one.size for one in way), len(way)))
    return Cover(tuple(sorted(best, key=lambda one: one.name)), least)


def _union(candidates: Iterable[Candidate]) -> Features:
    every = 0
    for one in candidates:
        every |= one.features
    return every


def _essential(candidates: Sequence[Candidate]) -> list[Candidate]:
    once = more = 0
    for one in candidates:
        more |= once & one.features
        once |= one.features
    alone = once & ~more
    return [one for one in candidates if one.features & alone]


def _reduced(candidates: Sequence[Candidate], needed: Features) -> tuple[list[Candidate], list[Part]]:
    """What must be chosen of these to carry `needed`, and the parts that are left to be searched."""
    number = {feature: at for at, feature in enumerate(numbers_of(needed))}
    carried: dict[Candidate, int] = {}
    for one in candidates:
        carried[one] = sum(1 << number[feature] for feature in numbers_of(one.features & needed))
    chosen: list[Candidate] = []
    before = -1
    while carried and len(carried) != before:
        before = len(carried)
        carried = _without_dominated(carried)
        rows = _telling_rows(carried)
        carried = {one: bits & rows for one, bits in carried.items()}
        must = _must(carried)
        chosen += must
        done = 0
        for one in must:
            done |= carried[one]
        carried = {one: left for one, bits in carried.items() if (left := bits & ~done)}
    return chosen, _parts(carried)


def _without_dominated(carried: dict[Candidate, int]) -> dict[Candidate, int]:
    """Without those that carry nothing beyond another one that is no larger."""
    kept: dict[Candidate, int] = {}
    for one in sorted(carried, key=lambda one: (one.size, -carried[one].bit_count(), one.name)):
        bits = carried[one]
        if all(bits & ~other for other in kept.values()):
            kept[one] = bits
    return kept


def _telling_rows(carried: dict[Candidate, int]) -> int:
    """The features that do not come by themselves with another one."""
    carriers: dict[int, int] = {}
    for at, bits in enumerate(carried.values()):
        for row in numbers_of(bits):
            carriers[row] = carriers.get(row, 0) | 1 << at
    telling: list[int] = []
    rows = 0
    for row in sorted(carriers, key=lambda row: (carriers[row].bit_count(), row)):
        if all(other & ~carriers[row] for other in telling):
            telling.append(carriers[row])
            rows |= 1 << row
    return rows


def _must(carried: dict[Candidate, int]) -> list[Candidate]:
    once = more = 0
    for bits in carried.values():
        more |= once & bits
        once |= bits
    alone = once & ~more
    return [one for one, bits in carried.items() if bits & alone]


def _parts(carried: dict[Candidate, int]) -> list[Part]:
    """Those that share features, directly or through others, together; the smallest part first."""
    parts: list[tuple[int, dict[Candidate, int]]] = []
    for one, bits in carried.items():
        joined, members = bits, {one: bits}
        apart = []
        for rows, others in parts:
            if rows & bits:
                joined |= rows
                members |= others
            else:
                apart.append((rows, others))
        parts = [*apart, (joined, members)]
    parts.sort(key=lambda part: (len(part[1]), min(one.name for one in part[1])))
    return [Part(tuple(members.items())) for _, members in parts]
