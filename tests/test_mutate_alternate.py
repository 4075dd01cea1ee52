"""Lists of things to try, made one."""

from __future__ import annotations

from fuzz.mutate.alternate import alternate


def test_each_list_has_its_turn_and_the_longest_goes_on() -> None:
    assert [*alternate("ab", iter("1234"), "")] == ["a", "1", "b", "2", "3", "4"]
    assert [*alternate()] == []


def test_nothing_is_something_too() -> None:
    assert [*alternate([None, 1], [0])] == [None, 0, 1]
