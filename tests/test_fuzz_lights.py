"""The probes' counters as lights."""

from __future__ import annotations

from fuzz.engine import PROBES, FeatureMap
from fuzz.engine.lights import ProbeLights


def test_what_is_lit_is_taken_and_put_back_beside_what_came_meanwhile() -> None:
    features = FeatureMap()
    lights = ProbeLights(features)
    features.counters[3] = features.counters[70] = 1
    taken = lights.take()
    assert [number for number, one in enumerate(taken) if one] == [3, 70]
    assert features.taken() == ()
    features.counters[5] = features.counters[90] = 1
    lights.light(taken)
    assert features.taken() == (3, 5, 70, 90)


def test_facts_are_left_alone() -> None:
    features = FeatureMap()
    lights = ProbeLights(features)
    features.counters[PROBES] = 1
    assert lights.take() == b""
    assert features.taken() == (PROBES,)
