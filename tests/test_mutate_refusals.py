"""What is learned of refusals: by field, by name, by value, by what was thought before."""

from __future__ import annotations

import pytest

from fuzz.mutate.refusals import Refusals
from fuzz.mutate.trial import Trial


def trial(kind: str = "hpet", field: str = "timer[].cmp", value: str = "0", risk: float = 0.02) -> Trial:
    return Trial(kind, field, lambda section: section, risk, value)


def refused(*outcomes: tuple[Trial, float]) -> Refusals:
    """What is known after these."""
    refusals = Refusals()
    for one, blame in outcomes:
        refusals.learn(one, blame)
    return refusals


@pytest.mark.parametrize("risk", [0.02, 0.6])
def test_before_anybody_tried_it_is_what_was_thought(risk: float) -> None:
    assert Refusals().risk(trial(risk=risk)) == pytest.approx(risk)
    assert not Refusals().is_hopeless(trial(risk=risk))


def test_a_refusal_says_more_of_the_field_than_of_its_namesakes_and_least_of_others() -> None:
    refusals = refused((trial(), 1.0))
    own, namesake, other = (
        refusals.risk(one) for one in (trial(value="1"), trial("apic"), trial("apic", "divide_conf"))
    )
    assert own > namesake > other > 0.02


def test_loads_that_went_on_make_it_safer_and_half_of_the_blame_is_half_a_refusal() -> None:
    loaded = refused(*[(trial(), 0.0)] * 5)
    half, whole = refused((trial(), 0.5)), refused((trial(), 1.0))
    risks = [one.risk(trial()) for one in (loaded, Refusals(), half, whole)]
    assert risks == sorted(risks)
    assert len(set(risks)) == 4


def test_a_field_that_was_always_refused_is_hopeless_and_one_load_saves_it() -> None:
    always = refused(*[(trial(value=str(value)), 1.0) for value in range(3)])
    assert always.is_hopeless(trial(value="9"))
    assert not always.is_hopeless(trial("apic", "divide_conf", "9"))
    always.learn(trial(value="4"), 0.0)
    assert not always.is_hopeless(trial(value="9"))


def test_a_field_that_was_mostly_refused_is_hopeless_where_there_were_many() -> None:
    mostly = refused(*[(trial(value=str(value)), 1.0) for value in range(6)], *[(trial(value="7"), 0.0)] * 3)
    assert mostly.is_hopeless(trial(value="9"))
    evenly = refused(*[(trial(value=str(value)), value % 2) for value in range(12)])
    assert not evenly.is_hopeless(trial(value="99"))


def test_what_is_always_refused_by_name_is_not_tried_once_more_of_a_field_that_was_tried() -> None:
    names = refused(*[(trial(kind, value=kind), 1.0) for kind in ("apic", "ioapic", "hpet")])
    assert names.is_hopeless(trial("apic", value="5"))
    assert not names.is_hopeless(trial("i8254", value="5"))  # nobody has tried it there
