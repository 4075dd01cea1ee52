"""Sets of lights by number."""

from __future__ import annotations

from model.lights import Dark, Sums


def test_sets_have_numbers_and_are_put_together_by_them() -> None:
    sums = Sums()
    one, other = sums.number(b"\1"), sums.number(b"\0\1")
    assert sums.number(b"\1") == one != other
    assert sums.number(b"") == 0
    assert len(sums) == 3
    assert sums.together([one, 0, other, one]) == b"\1\1"
    assert sums.together([]) == b""


def test_where_nobody_counts_all_is_dark() -> None:
    dark = Dark()
    dark.light(b"\1")
    assert dark.take() == b""
