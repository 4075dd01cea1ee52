"""hypothesis alone: `@given` over strategies for nearly valid streams of the machine; with `target`, as another way.

The strategies are those that `vmformat.strategies` ships, and edits by schema of which each choice is drawn. Needs
hypothesis, as they do. Settings as its documentation has them for long searches: as many examples as the budget has
executions, no database, no deadline, no health checks; `@seed` makes it repeatable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings, target
from hypothesis import strategies as st

from fuzz.search.asked import SPENT, Attempt
from fuzz.search.edits import MOST_EDITS, edit, written
from fuzz.search.hunt import Ended, Hunt
from fuzz.search.material import material_of
from fuzz.strategies import mutants
from fuzz.work.build import build_target
from model.lights import Dark
from vmformat import Section, StreamError
from vmformat.strategies import near_valid_streams, payloads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fuzz.search.asked import Search
    from fuzz.search.material import Material
    from vmformat import Stream

T = TypeVar("T")

TARGET: Final = "hypothesis-target"
"""The way in which hypothesis is told how many situations an input reached, and looks for ones with more."""
ARMS: Final = "hypothesis-arms"
"""The way in which it draws what our own mutator makes (`fuzz.strategies`), in place of edits by schema."""


class Drawn:
    """Choices that hypothesis makes."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def below(self, limit: int) -> int:
        """A number in 0..limit-1."""
        return self._draw(st.integers(0, limit - 1))

    def pick(self, items: Sequence[T]) -> T:
        """One of a sequence."""
        return self._draw(st.sampled_from(items))


@st.composite
def inputs(draw: st.DrawFn, material: Material) -> bytes:
    """Seeds edited by schema; some with a payload drawn anew, some damaged beyond that."""
    choose = Drawn(draw)
    stream = choose.pick(material.streams)
    for _ in range(draw(st.integers(0, MOST_EDITS))):
        stream = edit(stream, choose, material)
    kind = draw(st.integers(0, 7))
    if kind == 6:
        stream = _redrawn(draw, stream)
    if kind == 7:
        return draw(near_valid_streams(stream))
    return written(stream)


def _redrawn(draw: st.DrawFn, stream: Stream) -> Stream:
    """A section's payload is drawn from its schema, whatever was in it."""
    places = [at for at, one in enumerate(stream.records) if isinstance(one, Section) and one.schema is not None]
    if not places:
        return stream
    at = draw(st.sampled_from(places))
    section = stream.records[at]
    assert isinstance(section, Section)
    assert section.schema is not None
    try:
        return stream.replace_record(at, section.replace_payload(draw(payloads(section.schema))))
    except StreamError:
        return stream


def search(asked: Search, scratch: Path) -> Attempt:
    """The seeds, then what hypothesis draws until it is over."""
    material = material_of(asked.machine)
    hunt = Hunt(build_target(asked.spec(scratch), Dark()), asked)
    targeted = asked.way == TARGET
    drawn = mutants(asked.machine, schedules=True) if asked.way == ARMS else inputs(material)

    @seed(asked.seed)
    @settings(
        max_examples=asked.executions,
        phases=(Phase.generate, Phase.target) if targeted else (Phase.generate,),
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn)
    def try_out(data: bytes) -> None:
        execution = hunt(data[: material.longest])
        if targeted:
            target(float(len({*execution.features})), label="situations")

    try:
        for one in material.seeds:
            hunt(one)
        try_out()
    except Ended:
        assert hunt.attempt is not None
        return hunt.attempt
    # hypothesis has tried all that it can draw, or does not count as many examples as executions.
    return Attempt(SPENT, hunt.executions, hunt.seconds)
