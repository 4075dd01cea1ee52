"""Overlapping siblings of equal priority: the one that shows is the winner."""

from __future__ import annotations

from fuzz.capture.regions import Region
from fuzz.capture.siblings import winners_first
from model.memory.mtree import RangeLine


def region(name: str, addr: int, size: int, priority: int = 0) -> Region:
    return Region(name, name, name, "io", size, addr, priority, True, False, "io", None, 0, None, "")


def line(start: int, end: int, name: str, offset: int = 0) -> RangeLine:
    return RangeLine(start, end, 0, "i/o", name, offset)


def order(siblings: list[Region], *ranges: RangeLine) -> list[str]:
    return [one.name for one in winners_first(siblings, ranges)]


LOW, HIGH, ELSEWHERE = region("low", 0x300, 0x20), region("high", 0x310, 0x20), region("elsewhere", 0x400, 8)


def test_the_lower_one_wins() -> None:
    shown = (line(0x300, 0x31F, "low"), line(0x320, 0x32F, "high", 0x10), line(0x400, 0x407, "elsewhere"))
    assert order([ELSEWHERE, HIGH, LOW], *shown) == ["elsewhere", "low", "high"]
    assert order([LOW, HIGH, ELSEWHERE], *shown) == ["low", "high", "elsewhere"]


def test_the_upper_one_wins() -> None:
    shown = (line(0x300, 0x30F, "low"), line(0x310, 0x32F, "high"))
    assert order([LOW, ELSEWHERE, HIGH], *shown) == ["high", "low", "elsewhere"]


def test_where_nothing_tells_the_text_does() -> None:
    assert order([LOW, HIGH]) == ["low", "high"]
    assert order([HIGH, LOW], line(0x300, 0x30F, "low"), line(0x320, 0x32F, "high", 0x10)) == ["high", "low"]


def test_priority_is_older_than_what_shows() -> None:
    top = region("top", 0x300, 0x20, 1)
    assert order([top, HIGH], line(0x310, 0x32F, "high")) == ["top", "high"]


def test_three_of_a_kind() -> None:
    a, b, c = (region(name, at, 0x30) for name, at in (("a", 0), ("b", 0x10), ("c", 0x20)))
    assert order([a, b, c], line(0, 0x1F, "a"), line(0x20, 0x4F, "c")) == ["c", "a", "b"]
