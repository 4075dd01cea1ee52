"""The choice of files: nothing lost, nothing needless, the least there is, and never above libFuzzer's own."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.engine import available
from fuzz.minimize.cover import Candidate, Cover, cover
from fuzz.minimize.greedy import fewest_bytes_each, most_new_first, without_needless
from fuzz.minimize.health import alone
from fuzz.minimize.measurement import Features, Measurement, numbers_of, of_numbers, packed, unpacked

HERE = Path(__file__).parent


def union(candidates: list[Candidate] | tuple[Candidate, ...]) -> Features:
    every = 0
    for one in candidates:
        every |= one.features
    return every


def weight(candidates: list[Candidate] | tuple[Candidate, ...]) -> tuple[int, int]:
    return sum(one.size for one in candidates), len(candidates)


@st.composite
def corpora(draw: st.DrawFn, most: int = 9) -> list[Candidate]:
    files = draw(st.lists(st.tuples(st.integers(0, 40), st.sets(st.integers(0, 11), max_size=5)), max_size=most))
    return [Candidate(f"{at:02}", size, of_numbers(numbers)) for at, (size, numbers) in enumerate(files)]


def tangled(files: int, features: int, seed: int) -> list[Candidate]:
    """Files of about one size that share much: what is hard about set covers."""
    dice = random.Random(seed)
    return [
        Candidate(f"{at:03}", dice.randrange(900, 1100), of_numbers(dice.sample(range(features), 12)))
        for at in range(files)
    ]


def holds(candidates: list[Candidate], found: Cover) -> None:
    assert union(found.kept) == union(candidates)
    assert all(alone(found.kept).values()), "a file could be left out"
    for greedy in (most_new_first, fewest_bytes_each):
        assert weight(found.kept) <= weight(without_needless(greedy(candidates)))


@given(corpora())
def test_it_is_the_least_of_all_choices(candidates: list[Candidate]) -> None:
    found = cover(candidates)
    holds(candidates, found)
    assert found.least
    everything = union(candidates)
    covers = (
        chosen
        for many in range(len(candidates) + 1)
        for chosen in combinations(candidates, many)
        if union(chosen) == everything
    )
    assert weight(found.kept) == min(weight(chosen) for chosen in covers)


@given(corpora(30), st.randoms(use_true_random=False))
def test_the_order_of_the_files_changes_nothing(candidates: list[Candidate], dice: random.Random) -> None:
    shuffled = candidates.copy()
    dice.shuffle(shuffled)
    assert cover(shuffled) == cover(candidates)


@pytest.mark.parametrize("effort", [0, 10, 40_000])
def test_without_effort_enough_it_is_still_a_cover_not_above_the_greedy_ones(effort: int) -> None:
    candidates = tangled(80, 60, 1)
    found = cover(candidates, effort)
    holds(candidates, found)
    assert not found.least, "these are too hard for so little, or the test shows nothing"
    assert cover(candidates, effort) == found


def test_improving_is_worth_its_effort() -> None:
    candidates = tangled(80, 60, 2)
    assert cover(candidates, 400_000).size < min(one(candidates) for one in (_greedy_size, _each_size))


def _greedy_size(candidates: list[Candidate]) -> int:
    return weight(without_needless(most_new_first(candidates)))[0]


def _each_size(candidates: list[Candidate]) -> int:
    return weight(without_needless(fewest_bytes_each(candidates)))[0]


def test_what_could_be_left_out_is_seen() -> None:
    """The control of `holds`: a cover with a needless file has one that shows nothing alone."""
    needless = [Candidate("a", 5, 0b11), Candidate("b", 9, 0b110), Candidate("c", 7, 0b100)]
    assert not all(alone(needless).values())
    assert {one.name for one in without_needless(needless)} == {"a", "c"}


def test_files_that_show_nothing_are_never_kept() -> None:
    assert cover([Candidate("a", 0, 0)]).kept == ()
    assert cover([]).kept == ()


@given(st.sets(st.integers(0, 70_000), max_size=40))
def test_sets_of_features_come_back(numbers: set[int]) -> None:
    features = of_numbers(numbers)
    assert [*numbers_of(features)] == sorted(numbers)
    assert unpacked(packed(features)) == features
    measured = Measurement("0" * 40, features, failed="why" if not numbers else "")
    assert Measurement.from_json(json.loads(json.dumps(measured.to_json()))) == measured


@pytest.mark.skipif(bool(available()), reason="no atheris")
def test_libfuzzers_set_cover_of_the_same_is_never_less(tmp_path: Path) -> None:
    given, out, table = tmp_path / "given", tmp_path / "out", tmp_path / "table.json"
    given.mkdir()
    out.mkdir()
    dice = random.Random(3)
    candidates = []
    for one in tangled(60, 40, 3):
        data = dice.randbytes(one.size)
        name = hashlib.sha1(data).hexdigest()
        (given / name).write_bytes(data)
        candidates.append(Candidate(name, one.size, one.features))
    table.write_text(json.dumps({one.name: [*numbers_of(one.features)] for one in candidates}))
    command = [sys.executable, str(HERE / "set_cover.py"), str(table), "-set_cover_merge=1", str(out), str(given)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    ran = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, timeout=60)
    by_name = {one.name: one for one in candidates}
    theirs = [by_name[path.name] for path in out.iterdir()]
    assert union(theirs) == union(candidates), ran.stderr.decode()
    assert cover(candidates).size <= weight(theirs)[0]
    assert weight(without_needless(most_new_first(candidates)))[0] <= weight(theirs)[0], "as ours of the same kind"
