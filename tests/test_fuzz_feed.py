"""The feed: what waits in line comes first, mutants after it, and nothing in line can stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.work.feed import Feed, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Twice:
    """Mutates by doubling; cannot double `!`."""

    max_size = 8
    engine: Callable[[bytes, int], bytes] | None = None
    made_by: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.told: list[tuple[int, str | None]] = []

    def counts(self) -> dict[str, list[int]]:
        return {}

    def weights(self) -> dict[str, float]:
        return {}

    def learned(self, fresh: int, stopped: str | None) -> None:
        self.told.append((fresh, stopped))

    def mutate(self, data: bytes, max_size: int, seed: int) -> bytes:
        if data == b"!":
            raise KeyError("no")
        self.made_by = ("double",)
        return (data + data)[:max_size]

    def crossover(self, first: bytes, second: bytes, max_size: int, seed: int) -> bytes:
        self.made_by = ("crossover",)
        return (first + second)[:max_size]


def test_the_line_comes_first_in_order_then_mutants(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"from a file")
    suspect = Waiting(b"killer", kept=False, deaths=1)
    feed = Feed(Twice(), [Waiting(tmp_path / "a"), suspect])
    assert not feed.asked
    assert feed.mutate(b"x", 100, 1) == b"from a file"
    assert feed.asked
    assert feed.current == Waiting(tmp_path / "a")
    assert feed.crossover(b"x", b"y", 100, 1) == b"killer"
    assert feed.current is suspect
    assert feed.mutate(b"x", 100, 1) == b"xx"
    assert (feed.current, feed.arms) == (None, ("double",))
    feed.add([Waiting(tmp_path / "a")])
    assert len(feed) == 1
    assert feed.mutate(b"x", 100, 1) == b"from a file"
    assert feed.arms == ()
    assert feed.crossover(b"x", b"y", 100, 1) == b"xy"
    assert feed.arms == ("crossover",)
    assert feed.trouble == []


def test_what_cannot_be_given_is_said_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(bytes(9))
    (tmp_path / "empty").write_bytes(b"")
    feed = Feed(Twice(), [Waiting(tmp_path / name) for name in ("missing", "long", "empty")])
    assert feed.mutate(b"x", 8, 1) == b"xx"
    missing, long = feed.trouble
    assert "missing: No such file" in missing
    assert long.endswith("long: 9 bytes, at most 8 are executed")


def test_a_mutator_that_fails_is_said_and_gone_on_from() -> None:
    feed = Feed(Twice())
    assert feed.mutate(b"!", 8, 1) == b"!"
    assert feed.trouble == ["a mutator failed: KeyError: 'no' in mutate"]
    assert feed.arms == ()


def test_the_mutator_is_told_of_its_own_mutants_only(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"from a file")
    mutator = Twice()
    feed = Feed(mutator, [Waiting(tmp_path / "a")])
    feed.learned(9, "")  # the engine's own first input
    feed.mutate(b"x", 100, 1)
    feed.learned(8, "")  # a seed
    feed.mutate(b"x", 100, 1)
    feed.learned(3, "timer/0")
    assert mutator.told == [(3, "timer/0")]
