"""RAM contents: sparse pages and the way back."""

from __future__ import annotations

import pytest

from model.memory import Ram


@pytest.mark.parametrize("offset", [0, 0xFFE, 0x1FFF, 0x3000], ids=["start", "over a page", "page end", "far"])
def test_write_and_read(offset: int) -> None:
    ram = Ram()
    ram.add_block("b", 0x8000)
    ram.write("b", offset, b"12345")
    assert ram.read("b", offset, 5) == b"12345"
    assert ram.read("b", offset, 0x1800) == b"12345" + bytes(0x1800 - 5)


def test_edges() -> None:
    ram = Ram()
    ram.add_block("b", 0x1004)
    ram.write("b", 0x1002, b"1234")
    assert ram.read("b", 0x1000, 8) == b"\0\0" + b"12" + bytes(4)
    ram.write("b", 0x9000, b"1234")
    assert ram.read("b", 0x9000, 4) == bytes(4)
    ram.write("none", 0, b"1")
    assert ram.read("none", 0, 2) == bytes(2)


def test_rollback() -> None:
    ram = Ram()
    ram.add_block("b", 0x4000)
    ram.write("b", 0, b"pristine")
    ram.checkpoint()
    for _ in range(2):
        ram.write("b", 2, b"XX")
        ram.write("b", 0x2000, b"new")
        ram.resize("b", 0x1000)
        assert ram.read("b", 0, 8) == b"prXXtine"
        ram.rollback()
        assert ram.read("b", 0, 8) == b"pristine"
        assert ram.read("b", 0x2000, 3) == bytes(3)
        assert ram.blocks["b"].length == 0x4000


def test_a_filled_page_is_one_byte_until_it_is_changed() -> None:
    ram = Ram()
    block = ram.add_block("b", 0x4000)
    block.fill(0x1000, 0xAA)
    assert block.written[1] == 0xAA
    assert block.read(0xFFE, 4) == b"\0\0\xaa\xaa"
    block.write(0x1001, b"x")
    assert block.read(0x1000, 3) == b"\xaax\xaa"
    block.fill(0x9000, 1)
    assert 9 not in block.written
    ram.checkpoint()
    block.fill(0x1000, 0)
    assert block.read(0x1000, 2) == b"\0\0"
    ram.rollback()
    assert block.read(0x1000, 3) == b"\xaax\xaa"


def test_reads_by_name_are_told_of_and_searches_are_not() -> None:
    ram = Ram()
    ram.add_block("a", 8192)
    seen: list[tuple[str, int, int]] = []
    ram.on_read = lambda *what: seen.append(what)
    ram.read("a", 16, 4)
    with ram.unnoticed():
        ram.read("a", 0, 4096)
    ram.read("a", 4095, 2)
    assert seen == [("a", 16, 4), ("a", 4095, 2)]


@pytest.mark.parametrize(("first", "pages"), [(0, 1), (0, 2), (3, 2), (1, 7), (0, 100), (50, 1)], ids=str)
def test_a_discard_touches_the_pages_of_its_range_that_are_there(first: int, pages: int) -> None:
    ram = Ram()
    block = ram.add_block("b", 100 << 12)
    block.write(2 << 12, b"\7" * 4096)
    ram.checkpoint()
    there = {0, 1, 3, 8, 50}
    for number in there:
        block.fill(number << 12, 9)
    block.discard(first << 12, pages << 12)
    gone = {number for number in there | {2} if first <= number < first + pages}
    for number in range(100):
        assert block.is_present(number << 12) == (number in there | {2})
        kept = 0 if number in gone or number not in there | {2} else 7 if number == 2 else 9
        assert block.read(number << 12, 4096) == bytes([kept]) * 4096
