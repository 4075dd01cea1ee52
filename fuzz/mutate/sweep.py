"""The systematic stage: every field of every kind of section with every value worth trying, once each.

A random search comes to most fields late, to some never. So a share of a campaign's executions goes through a list of
trials instead: one field of one kind of section, one value. The first value of every field comes before the second of
any, and of these counts come first, then indices, addresses and so on (`meaning.ORDER`).

Trials are made on a seed, of which it is known that it loads, and several go into one mutant, in different sections:
one execution tries them all, unless one is refused. What stands behind the refused section was not tried then, and what
stands before it was not part of a whole load; both are tried again (`answer`). Which fields get a load refused is
learned by kind of section and field, begins with what their types say, and decides how many trials go together: so many
that half of the mutants load.

What is not known (`answer(None)`: the target does not say where the load ended) counts as tried.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.mutate import trials
from fuzz.mutate.sections import sections_at, with_records
from vmformat import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.mutate.dice import Dice
    from fuzz.mutate.scene import Scene
    from fuzz.mutate.trials import Trial
    from vmformat import Record, Stream

MOST: Final = 20
"""Trials in one mutant."""
_ENOUGH: Final = 0.5
"""How likely a mutant has to be to load, by what is known of its trials."""
_LOOKED_AT: Final = 40
"""Trials looked at for one mutant: those that do not go with the others wait for the next."""
_OTHERS: Final = 4
"""Mutants of which one is made of any seed, the others of the richest."""
_IN_ONE: Final = 3
"""Trials in one section."""
_PUT_BACK: Final = 10
"""Trials that did not go with the others, after which no more are looked at."""
_AGAIN: Final = 3
"""Times that a trial is tried again after others got the load refused; then once more, alone."""


@dataclass(slots=True)
class _Waiting:
    """A trial in line."""

    trial: Trial
    again: int = 0


@dataclass(slots=True)
class _Crowd:
    """The trials that are made on one section: how many, and whether all of them may share it."""

    trials: int = 0
    all_share: bool = True


class Sweep:
    """The trials of a campaign on one machine, and what became of them."""

    def __init__(self, seeds: Sequence[Stream], scene: Scene) -> None:
        self._seeds = tuple(sorted(seeds, key=_richness, reverse=True))
        self._scene = scene
        self._line: deque[_Waiting] | None = None
        self._under: list[tuple[_Waiting, int]] = []
        """The trials of the mutant whose answer is awaited, and where their sections stand in the seed."""
        self._stops: dict[str, int] = {}
        """These places by what `Execution.stopped` calls them."""
        self._risks: dict[tuple[str, str], list[float]] = {}
        """Of a kind of section and a field: executions that tried it, those of them that it got refused."""
        self.made = 0
        """Mutants made."""

    @property
    def left(self) -> int:
        """Trials that wait; 0 once all are done."""
        return len(self._waiting())

    def _waiting(self) -> deque[_Waiting]:
        if self._line is None:
            self._line = deque(map(_Waiting, trials.enumerate_trials(self._seeds, self._scene)))
        return self._line

    def mutant(self, dice: Dice) -> Stream | None:
        """A seed with the next trials in it; None when there are none left."""
        line = self._waiting()
        while line:
            self.made += 1
            seed = dice.pick(self._seeds) if self.made % _OTHERS == 0 else self._seeds[0]
            made = self._try(seed, line)
            if made is not None:
                return made
        return None

    def drawn(self, dice: Dice) -> Stream | None:
        """A seed with a few trials in it, as the dice fall; the list stays as it is."""
        line = self._waiting()
        chosen = deque(_Waiting(line[dice.below(len(line))].trial) for _ in range(dice.few(4)) if line)
        made = self._try(dice.pick(self._seeds), chosen) if chosen else None
        self._under = []
        return made

    def _try(self, seed: Stream, line: deque[_Waiting]) -> Stream | None:
        """The seed with trials from the front of the line; None if they had nothing to do in it."""
        changed: dict[int, tuple[Section, ...]] = {}
        where = _by_kind(seed)
        likely = 1.0
        put_back: list[_Waiting] = []
        under: list[tuple[_Waiting, int]] = []
        crowds: dict[int, _Crowd] = {}
        for _ in range(min(_LOOKED_AT, len(line))):
            if len(put_back) >= _PUT_BACK:
                break
            one = line.popleft()
            loads = 1.0 - self._risk(one.trial)
            alone = one.again > _AGAIN
            if under and (alone or likely * loads < _ENOUGH):
                put_back.append(one)
                continue
            places = where.get(one.trial.kind, ())
            at = _place(one.trial, places, crowds)
            if at is None:
                if places:  # other trials have it
                    put_back.append(one)
                elif one.again <= _AGAIN and len(self._seeds) > 1:  # in another seed, perhaps
                    put_back.append(_Waiting(one.trial, one.again + 1))
                continue
            section = changed[at][0] if at in changed else seed.records[at]
            assert isinstance(section, Section)
            made = one.trial.apply(section)
            if made is None:
                continue
            changed[at] = made
            under.append((one, at))
            crowd = crowds.setdefault(at, _Crowd())
            crowd.trials += 1
            crowd.all_share = crowd.all_share and one.trial.shares
            likely *= loads
            if len(under) >= MOST or alone:
                break
        line.extendleft(reversed(put_back))
        self._under = under
        if not under:
            return None
        self._stops = {_name(seed.records[at]): at for at in changed}
        records: list[Record] = [*seed.records]
        for at in sorted(changed, reverse=True):
            records[at : at + 1] = changed[at]
        return with_records(seed, records)

    def _risk(self, trial: Trial) -> float:
        known = self._risks.get((trial.kind, trial.field))
        return trial.risk if known is None else (known[1] + 2 * trial.risk) / (known[0] + 2)

    def answer(self, stopped: str | None) -> None:
        """The mutant was executed: where its load stopped (`fuzz.engine.target.Execution.stopped`)."""
        under, self._under = self._under, []
        if stopped is None:
            return
        stop = self._stops.get(stopped)
        here = sum(at == stop for _, at in under)
        for one, at in under:
            to_blame = bool(stopped) and at == stop
            self._learn(one.trial, 1.0 / here if to_blame else 0.0)
            if stopped and len(under) > 1 and not (to_blame and here == 1) and one.again <= _AGAIN:
                assert self._line is not None
                # Not to blame, or nobody knows who is: again, soon, and in the end alone.
                self._line.insert(min(len(self._line), 2 * MOST), _Waiting(one.trial, one.again + 1))

    def _learn(self, trial: Trial, refused: float) -> None:
        known = self._risks.setdefault((trial.kind, trial.field), [0.0, 0.0])
        known[0] += 1
        known[1] += refused


def _richness(seed: Stream) -> int:
    """Bytes of its devices that are not zero: a guest that runs has more of them than one that has not begun."""
    sections = (section.payload for section in seed.sections if section.name != "ram")
    return sum(len(payload) - payload.count(0) for payload in sections)


def _place(trial: Trial, places: Sequence[int], crowds: dict[int, _Crowd]) -> int | None:
    """The section that a trial is made on; None where others have what there are."""
    for at in places:
        if at not in crowds:
            return at
    if trial.shares:
        for at in places:
            if crowds[at].trials < _IN_ONE and crowds[at].all_share:
                return at
    return None


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
