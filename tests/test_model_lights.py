"""Sets of lights by number."""

from __future__ import annotations

from model.lights import Dark, Sums, together


def test_sets_are_put_together_byte_by_byte() -> None:
    assert together(b"\1\0", b"\0\0\1") == b"\1\0\1"
    assert together(b"", b"\1") == b"\1"


def test_sets_have_numbers_and_are_put_together_by_them() -> None:
    sums = Sums()
    one, other = sums.number(b"\1"), sums.number(b"\0\1")
    assert sums.number(b"\1") == one != other
    assert sums.number(b"") == 0
    assert sums.lit(other) == b"\0\1"
    assert sums.together([one, 0, other, one]) == b"\1\1"
    assert sums.together([]) == b""


def test_where_nobody_counts_all_is_dark() -> None:
    dark = Dark()
    dark.light(b"\1")
    assert dark.take() == b""
