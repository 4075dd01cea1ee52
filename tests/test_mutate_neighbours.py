"""Trials by where their fields stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.mutate.dice import Dice
from fuzz.mutate.neighbours import Neighbours
from fuzz.mutate.trial import Trial

if TYPE_CHECKING:
    from vmformat import Section


def nothing(_section: Section) -> None:
    return None


def trial(field: str, value: str, element: int = 0, *, moves: bool = False, risk: float = 0.02) -> Trial:
    return Trial("hpet", field, nothing, risk, value, moves=moves, element=element)


TIMERS = [trial(f"timer[].{name}", str(value), element) for name in "abc" for value in range(40) for element in (0, 1)]


def drawn(neighbours: Neighbours, one_in: int = 1 << 20) -> list[list[Trial]]:
    return [[*neighbours.drawn(Dice(seed), 3, one_in, lambda _: True)] for seed in range(300)]


def test_half_of_the_draws_are_of_one_element_of_one_struct() -> None:
    found = [one for one in drawn(Neighbours([*TIMERS, trial("config", "1"), trial("isr", "1")])) if len(one) == 3]
    near = [one for one in found if len({(each.field.rpartition(".")[0], each.element) for each in one}) == 1]
    assert len(found) > 40
    assert 0.4 * len(found) < len(near) < 0.8 * len(found)


def test_a_field_with_many_values_is_not_likelier() -> None:
    many = [trial("many", str(value)) for value in range(500)]
    fields = [each.field for one in drawn(Neighbours([*many, trial("one", "1"), trial("two", "1")])) for each in one]
    assert 0.2 * len(fields) < fields.count("many") < 0.5 * len(fields)


def test_what_changes_the_length_comes_first() -> None:
    found = drawn(Neighbours([*TIMERS, trial("add:rest", "", moves=True)]), one_in=2)
    with_more = [one for one in found if any(each.moves for each in one)]
    assert 100 < len(with_more) < 200
    assert all(one[0].moves and not any(each.moves for each in one[1:]) for one in with_more)


def test_what_is_not_safe_is_left_out() -> None:
    neighbours = Neighbours([trial("a", "1"), trial("b", "1")])
    found = [[*neighbours.drawn(Dice(seed), 3, 2, lambda one: one.field == "a")] for seed in range(50)]
    assert {each.field for one in found for each in one} == {"a"}


def test_nothing_is_drawn_where_nothing_may_go_together() -> None:
    assert not any(drawn(Neighbours([trial("again", "", risk=0.5)])))
