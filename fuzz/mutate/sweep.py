"""The systematic stage: every field of every kind of section with every value worth trying, once each.

A random search comes to most fields late, to some never. So a share of a campaign's executions goes through a list of
trials instead: one field of one kind of section, one value. The first value of every field comes before the second of
any, and of these counts come first, then indices, addresses and so on (`meaning.ORDER`).

Trials are made on a seed, of which it is known that it loads, and several go into one mutant, in different sections:
one execution tries them all, unless one is refused. What stands behind the refused section was not tried then, and what
stands before it was not part of a whole load; both are tried again (`answer`). Which fields get a load refused is
learned by kind of section and field, begins with what their types say, and decides how many trials go together: so many
that half of the mutants load. A field that was refused whenever it was tried waits with its other values until the line
is empty. A trial that most likely is refused goes alone, but for *riders*: trials drawn from the whole line, on
sections that stand before it. What dies of one of those shows at once; they stay in line, for what shows at the end of
a load.

Beside these there is another kind of trial, made by itself: of what stands around the sections (`whole`).

Workers that share a corpus begin with different trials; one that is started again goes on about where it was: how far
it came is told by its executions alone, and what it may not have made comes again behind the others, once.

What is not known (`answer(None)`: the target does not say where the load ended) counts as tried.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from fuzz.mutate import trials
from fuzz.mutate.crowds import Crowds
from fuzz.mutate.fields import mutate_leaf
from fuzz.mutate.index import index_of
from fuzz.mutate.neighbours import Neighbours
from fuzz.mutate.refusals import SMALL, Refusals
from fuzz.mutate.sections import sections_at, with_records
from fuzz.mutate.whole import whole_trials
from vmformat import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from fuzz.mutate.dice import Dice
    from fuzz.mutate.scene import Scene
    from fuzz.mutate.trial import Trial
    from vmformat import Record, Stream

_T = TypeVar("_T")

MOST: Final = 64
"""Trials in one mutant."""
_ENOUGH: Final = 0.5
"""How likely a mutant has to be to load, by what is known of its trials."""
_LOOKED_AT: Final = 320
"""Trials looked at for one mutant: those that do not go with the others wait for the next."""
_OTHERS: Final = 4
"""Mutants of which one is made of another seed, the others of the richest."""
_IN_A_MIX: Final = 3
"""Trials in one section of a mix."""
_LONGER_ONE_IN: Final = 4
"""Sections of a mix of which one is made longer or shorter as well."""
_OTHERWISE_ONE_IN: Final = 3
"""Trials of a mix of which one puts any value in its field: what is in no list may be wrong."""
_TWICE_ONE_IN: Final = 6
"""Sections of a mix of which one is loaded as it is before."""
_RISKY: Final = 50
"""Trials too risky beside the others, after which no more are looked at."""
_AGAIN: Final = 3
"""Times that a trial is tried again after others got the load refused; then once more, with what surely loads."""
_AT_LAST: Final = 0.9
"""How likely it has to be then that the mutant loads."""
_OF_READ: Final = 0.1
"""What is left of its risk where a trial has been read, but was not part of a whole load."""
_AN_EXECUTION: Final = 5
"""Trials that are made in one execution, from the list or not."""
WHOLE_ONE_IN: Final = 12
"""Mutants of which one is a trial of the stream as a whole, as long as there are any left."""
_RIDERS: Final = 16
"""Trials drawn to ride along with one that is likely to be refused."""


Turn: TypeAlias = tuple[int, int, int]
"""Which of how many workers that share a list this is, and executions that it has behind it."""
FIRST: Final[Turn] = (0, 1, 0)
"""One worker that begins."""


@dataclass(slots=True)
class _Waiting:
    """A trial in line."""

    trial: Trial
    again: int = 0
    late: bool = False
    """Whether it has been left for later, and its turn has come."""
    is_done: bool = False
    """Whether it was part of a whole load as a rider."""
    is_read: bool = False
    """Whether its section has loaded with it, in a load that was refused further on."""
    is_suspect: bool = False
    """Whether it or another one in its section has got a load refused."""

    shares: bool = field(init=False)
    """Whether it may go into one section with others."""

    def __post_init__(self) -> None:
        self.shares = self.trial.shares and not self.is_suspect


class Sweep:
    """The trials of a campaign on one machine, and what became of them."""

    def __init__(self, seeds: Sequence[Stream], scene: Scene, turn: Turn = FIRST) -> None:
        """`turn`: where the list begins."""
        self._seeds = tuple(sorted(seeds, key=_richness, reverse=True))
        self._scene = scene
        self._turn = turn
        self._line: deque[_Waiting] | None = None
        self._whole: deque[Callable[[Stream], Stream | None]] | None = None
        """Trials of the stream as a whole."""
        self._late: list[_Waiting] = []
        """Trials of fields that were always refused, and of sections that the richest seed has not."""
        self._all: dict[str, list[Trial]] = {}
        """All trials by kind of section."""
        self._neighbours: dict[str, Neighbours] = {}
        """The same by where their fields stand."""
        self._under: list[tuple[_Waiting, int]] = []
        """The trials of the mutant whose answer is awaited, and where their sections stand in the seed."""
        self._riders: list[tuple[_Waiting, int]] = []
        """Those of them that ride along."""
        self._guests: list[tuple[_Waiting, int]] = []
        """Those that stay in line whatever becomes of them."""
        self._stops: dict[str, int] = {}
        """These places by what `Execution.stopped` calls them."""
        self._refusals = Refusals()
        self.made = 0
        """Mutants made."""

    @property
    def left(self) -> int:
        """Trials that wait; 0 once all are done."""
        return len(self._waiting()) + len(self._late)

    def prepare(self) -> None:
        """Work out the list, which the first mutant would wait for."""
        self._waiting()

    def _waiting(self) -> deque[_Waiting]:
        if self._line is None:
            found = trials.enumerate_trials(self._seeds, self._scene)
            self._line = deque(map(_Waiting, _own_first(found, self._turn, _AN_EXECUTION)))
            for trial in found:
                self._all.setdefault(trial.kind, []).append(trial)
        if not self._line and self._late:
            self._line.extend(self._late)
            self._late.clear()
        return self._line

    def mutant(self, dice: Dice) -> Stream | None:
        """A seed with the next trials in it; None when there are none left."""
        while line := self._waiting():
            self.made += 1
            if self.made % _OTHERS == 0 and len(self._seeds) > 1:
                made = self._ahead(line, dice)
            else:
                made = self._try(self._seeds[0], line, dice)
            if made is not None:
                return made
        return None

    def whole(self) -> Stream | None:
        """The richest seed changed around its sections; None once all of that has been tried."""
        if self._whole is None:
            found = whole_trials(self._seeds[0], self._scene) if self._seeds else []
            self._whole = _own_first([change for _, change in found], self._turn, 1 / WHOLE_ONE_IN)
        self._under, self._riders = [], []
        while self._whole:
            made = self._whole.popleft()(self._seeds[0])
            if made is not None:
                return made
        return None

    def _ahead(self, line: deque[_Waiting], dice: Dice) -> Stream | None:
        """Another seed with trials from anywhere in the line, which stay in it: a bug that is due late may be early."""
        drawn = deque(_Waiting(line[dice.below(len(line))].trial) for _ in range(MOST))
        made = self._try(dice.pick(self._seeds[1:]), drawn, dice)
        self._guests, self._under, self._riders = [*self._under, *self._riders], [], []
        return made

    def mixed(self, dice: Dice) -> Stream | None:
        """A seed with trials together, a few in each of many sections: some fields are wrong only beside others.

        The list stays as it is: what is due in it late may be met here before.

        None where there is no seed, or no trial for it.
        """
        self._waiting()
        self._under, self._riders = [], []
        if not self._seeds:
            return None
        seed = dice.pick(self._seeds)
        changed: dict[int, tuple[Section, ...]] = {}
        for kind, places in _by_kind(seed).items():
            if kind not in self._all or dice.chance(3):
                continue
            at = dice.pick(places)
            section = _section_at(seed, at)
            for trial in self._near(kind).drawn(dice, _IN_A_MIX, _LONGER_ONE_IN, self._is_safe):
                other = _otherwise(section, trial, dice) if dice.chance(_OTHERWISE_ONE_IN) else None
                made = trial.apply(section) if other is None else (other,)
                if made:
                    changed[at] = made
                    section = made[0]
            if at in changed and dice.chance(_TWICE_ONE_IN):  # loaded as it is, and then so
                changed[at] = _section_at(seed, at), *changed[at]
        return _put(seed, changed, frozenset(changed)) if changed else None

    def _near(self, kind: str) -> Neighbours:
        if kind not in self._neighbours:
            self._neighbours[kind] = Neighbours(self._all[kind])
        return self._neighbours[kind]

    def _is_safe(self, trial: Trial) -> bool:
        """Whether it hardly gets a load refused."""
        return self._refusals.risk(trial) < SMALL

    def drawn(self, dice: Dice) -> Stream | None:
        """A seed with a few trials in it, as the dice fall; the list stays as it is."""
        line = self._waiting()
        chosen = deque(_Waiting(line[dice.below(len(line))].trial) for _ in range(dice.few(4)) if line)
        made = self._try(dice.pick(self._seeds), chosen, dice) if chosen else None
        self._under, self._riders = [], []
        return made

    def _try(self, seed: Stream, line: deque[_Waiting], dice: Dice) -> Stream | None:
        """The seed with trials from the front of the line; None if they had nothing to do in it."""
        crowds = Crowds(seed, _by_kind(seed))
        likely, enough = 1.0, _ENOUGH
        put_back: list[_Waiting] = []
        under: list[tuple[_Waiting, int]] = []
        looked_at = risky = 0
        while line and looked_at < _LOOKED_AT and risky < _RISKY and len(under) < MOST:
            one = line.popleft()
            if one.is_done:
                continue
            looked_at += 1
            at = crowds.place(one.trial, shares=one.shares)
            if at is None:
                if crowds.knows(one.trial.kind):  # other trials have it
                    put_back.append(one)
                elif one.again <= _AGAIN and len(self._seeds) > 1:  # another seed has it
                    self._late.append(_Waiting(one.trial, one.again + 1, late=True))
                continue
            if not one.late and self._refusals.is_hopeless(one.trial):
                one.late = True
                self._late.append(one)
                continue
            if one.again > _AGAIN:
                enough = _AT_LAST
            loads = 1.0 - self._refusals.risk(one.trial) * (_OF_READ if one.is_read else 1.0)
            if under and likely * loads < enough:
                put_back.append(one)
                risky += 1
                continue
            took = self._make(one, seed, at, crowds)
            if took:
                under.append((one, at))
                likely *= loads
            elif took is not None:
                put_back.append(one)
        line.extendleft(reversed(put_back))
        self._under, self._riders = under, []
        if not under:
            return None
        changed = crowds.changed()
        if likely < _ENOUGH:
            self._ride(seed, line, dice, changed)
        self._stops = {_name(one): at for at, made in changed.items() for one in (seed.records[at], *made)}
        later = frozenset(at for one, at in under if one.trial.later)
        return _put(seed, changed, later, self.made)

    def _make(self, one: _Waiting, seed: Stream, at: int, crowds: Crowds) -> bool | None:
        """Make a trial on a section (`Crowds.take`), and on the next device of its kind that no bus tells apart.

        What is wrong with the second interrupt controller alone is to be seen before the first one's turn is over.
        """
        trial = one.trial
        of = len(self._all.get(trial.kind, ()))
        took = crowds.take(trial, at, of, shares=one.shares)
        if took and one.shares:
            other = crowds.next_alike(trial, at)
            if other is not None and "/" not in _section_at(seed, other).name and self._is_safe(trial):
                crowds.take(trial, other, of, shares=True)
        return took

    def _ride(self, seed: Stream, line: deque[_Waiting], dice: Dice, changed: dict[int, tuple[Section, ...]]) -> None:
        """Put trials from anywhere in the line into sections before those that are changed."""
        where, first = _by_kind(seed), min(changed)
        for _ in range(_RIDERS if line else 0):
            one = line[dice.below(len(line))]
            at = next((at for at in where.get(one.trial.kind, ()) if at < first and at not in changed), None)
            if at is None or one.is_done or not one.trial.shares or not self._is_safe(one.trial):
                continue
            section = seed.records[at]
            assert isinstance(section, Section)
            made = one.trial.apply(section)
            if made is not None:
                changed[at] = made
                self._riders.append((one, at))

    def answer(self, stopped: str | None) -> None:
        """The mutant was executed: where its load stopped (`fuzz.engine.target.Execution.stopped`)."""
        under, self._under = self._under, []
        riders, self._riders = self._riders, []
        guests, self._guests = self._guests, []
        stop = self._stops.get(stopped) if stopped else None
        if stopped is None or (stopped and stop is None):
            return
        for one, at in (*riders, *guests):
            if stop is None or at <= stop:
                self._refusals.learn(one.trial, float(at == stop))
        for one, _ in riders:
            one.is_done = stop is None
        here = sum(at == stop for _, at in under)
        for one, at in under:
            is_stop = at == stop
            if stop is None or at <= stop:
                self._refusals.learn(one.trial, 1.0 / here if is_stop else 0.0)
            if stop is not None and len(under) > 1 and not (is_stop and here == 1) and one.again <= _AGAIN:
                assert self._line is not None
                # Not to blame, or nobody knows who is: again. What stood before the place where the load stopped has
                # been read, and the device has taken it: it goes with the next ones, and hardly makes them riskier.
                soon = 2 * MOST if at >= stop else 0
                once_more = _Waiting(one.trial, one.again + 1, is_read=one.is_read or at < stop, is_suspect=is_stop)
                self._line.insert(min(len(self._line), soon), once_more)


def _own_first(found: Sequence[_T], turn: Turn, each: float) -> deque[_T]:
    """What is to be tried, each worker's own share before those of the others, from where it may be by now.

    `each`: how many are tried in one execution.
    """
    which, of, executions = turn
    line = deque(one for number in range(of) for one in found[(which + number) % of :: of])
    done = int(executions * each)
    if done >= 2 * len(line):
        line.clear()
    line.rotate(-done)
    return line


def _otherwise(section: Section, trial: Trial, dice: Dice) -> Section | None:
    """A section with any value in the field of a trial; None where the trial is of no single field."""
    index = index_of(section)
    leaf = None if index is None else index.value(trial.field, trial.element)
    return None if leaf is None else mutate_leaf(section, leaf, dice)


def _richness(seed: Stream) -> int:
    """Bytes of its devices that are not zero: a guest that runs has more of them than one that has not begun."""
    sections = (section.payload for section in seed.sections if section.name != "ram")
    return sum(len(payload) - payload.count(0) for payload in sections)


def _put(seed: Stream, changed: Mapping[int, tuple[Section, ...]], later: Collection[int], turn: int = 0) -> Stream:
    """The seed with other sections in some places; of those `later` what is beyond the first goes behind all others.

    `turn`: which of them is first there. The last one shows what the next commit would have hidden.
    """
    records: list[Record] = [*seed.records]
    end = sections_at(seed)[-1] + 1
    again = sorted(at for at in changed if at in later)
    first = turn % len(again) if again else 0
    records[end:end] = [section for at in (*again[first:], *again[:first]) for section in changed[at][1:]]
    for at in sorted(changed, reverse=True):
        records[at : at + 1] = changed[at][:1] if at in later else changed[at]
    return with_records(seed, records)


def _section_at(stream: Stream, at: int) -> Section:
    section = stream.records[at]
    assert isinstance(section, Section)
    return section


def _name(record: Record) -> str:
    assert isinstance(record, Section)
    return f"{record.name}/{record.instance}"


def _by_kind(stream: Stream) -> dict[str, list[int]]:
    """Positions of sections by the kind of their device."""
    kept: dict[str, list[int]] | None = stream.__dict__.get("_mutator_kinds")
    if kept is None:
        kept = {}
        for at in sections_at(stream):
            section = stream.records[at]
            assert isinstance(section, Section)
            kept.setdefault(trials.kind(section), []).append(at)
        stream.__dict__["_mutator_kinds"] = kept
    return kept
