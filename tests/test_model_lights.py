"""Sets of lights by number."""

from __future__ import annotations

from model.lights import Dark, Sums, together


def test_sets_are_put_together_byte_by_byte() -> None:
    assert together(b"\1\0", b"\0\0\1") == b"\1\0\1"
    assert together(b"", b"\1") == b"\1"


def test_the_same_sum_is_the_same_number() -> None:
    sums = Sums()
    one, other = sums.number(b"\1"), sums.number(b"\0\1")
    assert sums.add(one, other) == sums.add(other, one) == sums.number(b"\1\1")
    assert sums.add(one, 0) == sums.add(0, one) == one
    assert sums.lit(sums.add(one, other)) == b"\1\1"


def test_where_nobody_counts_all_is_dark() -> None:
    dark = Dark()
    dark.light(b"\1")
    assert dark.take() == b""
