from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmformat.reader import BUFFER, EIO, SMALL, Reader


@pytest.mark.parametrize(
    ("data", "read", "value", "pos", "error"),
    [
        pytest.param(b"\x12", "u8", 0x12, 1, 0, id="u8"),
        pytest.param(b"", "u8", 0, 0, EIO, id="u8 past the end"),
        pytest.param(b"\x12\x34", "u16", 0x1234, 2, 0, id="u16"),
        pytest.param(b"\x12", "u16", 0x1200, 1, EIO, id="u16 cut off keeps its high byte"),
        pytest.param(b"\x00\x00\x12\x34", "u32", 0x1234, 4, 0, id="u32"),
        pytest.param(b"\x01\x02", "u32", 0x01020000, 2, EIO, id="u32 cut off"),
        pytest.param(b"\xff" * 8, "u64", 0xFFFF_FFFF_FFFF_FFFF, 8, 0, id="u64"),
        pytest.param(b"\xff" * 3, "u64", 0xFFFFFF << 40, 3, EIO, id="u64 cut off"),
    ],
)
def test_integers(data: bytes, read: str, value: int, pos: int, error: int) -> None:
    reader = Reader(data)
    assert (getattr(reader, read)(), reader.pos, reader.error) == (value, pos, error)


def test_first_error_sticks() -> None:
    reader = Reader(b"")
    reader.latch(22)
    assert reader.u32() == 0
    assert reader.error == 22


def test_take_gives_what_follows_and_never_more() -> None:
    reader = Reader(b"abc", base=0x100)
    assert reader.take(1 << 62) == b"abc"
    assert (reader.offset, reader.remaining, reader.error) == (0x103, 0, EIO)


def test_reading_up_to_the_end_is_no_error() -> None:
    reader = Reader(b"abcd")
    reader.skip(2)
    assert reader.take(2) == b"cd"
    assert reader.error == 0


def test_skip_past_the_end() -> None:
    reader = Reader(b"abcd")
    reader.skip(5)
    assert (reader.pos, reader.error) == (4, EIO)


def test_peeks_do_not_move_but_latch() -> None:
    reader = Reader(b"\x05\x02ab")
    assert (reader.peek_u8(1), reader.peek(2, 2), reader.pos, reader.error) == (2, b"ab", 0, 0)
    assert (reader.peek(2, 3), reader.error) == (b"ab", EIO)
    reader = Reader(b"")
    assert (reader.peek_u8(0), reader.error) == (0, EIO)


@pytest.mark.parametrize(
    ("data", "pos", "taken"),
    [
        pytest.param(b"0123456789", 7, b"789", id="no overlap"),
        pytest.param(b"0123456789", 5, b"56789", id="just none"),
        pytest.param(b"0123456789", 3, b"6789789", id="overlap"),
        pytest.param(b"0123456789", 0, b"0123456789", id="at the front"),
        pytest.param(b"0123456789" + bytes(40000), 3, b"3456789" + bytes(40000), id="more than the buffer"),
    ],
)
def test_a_cut_off_buffer_is_moved_over_itself(data: bytes, pos: int, taken: bytes) -> None:
    reader = Reader(data)
    reader.pos = pos
    assert reader.take(1 << 20) == taken


@given(st.binary(max_size=20), st.lists(st.sampled_from([1, 2, 4, 8]), max_size=8))
def test_reads_are_slices_of_the_data_followed_by_zeros(data: bytes, sizes: list[int]) -> None:
    reader = Reader(data)
    at = 0
    for size in sizes:
        value = {1: reader.u8, 2: reader.u16, 4: reader.u32, 8: reader.u64}[size]()
        assert value == int.from_bytes(data[at : at + size].ljust(size, b"\0"), "big")
        at = min(at + size, len(data))
        assert reader.pos == at
    assert reader.error == (EIO if sum(sizes) > len(data) else 0)


class Plain:
    """A file object with QEMU's buffer, as it is filled, moved and read from."""

    def __init__(self, data: bytes) -> None:
        self.file, self.buf = data, bytearray(BUFFER)
        self.index = self.size = 0

    def fill(self) -> int:
        held = self.size - self.index
        self.buf[:held] = self.buf[self.index : self.size]
        self.index, self.size = 0, held
        got = self.file[: BUFFER - held]
        self.file = self.file[len(got) :]
        self.buf[held : held + len(got)] = got
        self.size += len(got)
        return len(got)

    def byte(self) -> bytes:
        if self.index >= self.size and not self.fill():
            return b""
        self.index += 1
        return bytes(self.buf[self.index - 1 : self.index])

    def take(self, n: int) -> bytes:
        taken = b""
        while n > len(taken):
            size, index = min(n - len(taken), BUFFER), self.index
            while self.size - index < size and self.fill():
                index = self.index
            held = min(self.size - self.index, size)
            if not held:
                break
            taken += self.buf[index : index + held]
            self.index += held
        return taken


@given(
    st.integers(0, 100_000),
    st.lists(st.tuples(st.booleans(), st.integers(SMALL + 1, 60_000)), max_size=6),
    st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_buffers_are_what_a_moved_buffer_gives(length: int, reads: list[tuple[bool, int]], seed: int) -> None:
    data = random.Random(seed).randbytes(length)
    reader, plain = Reader(data), Plain(data)
    for whole, size in reads:
        if whole:
            assert reader.take(size) == plain.take(size)
        else:
            assert reader.digits(size) == b"".join(plain.byte() for _ in range(size))
        if reader.error:
            break
