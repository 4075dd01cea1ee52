"""Values of leaves as text, and text that is fit for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmformat.render.line import clean, plural, size
from vmformat.render.values import decimal, shown

if TYPE_CHECKING:
    from vmformat.node import Leafs

VALUES: dict[str, tuple[Leafs, str, str]] = {
    "small": (7, "uint32", "7"),
    "small negative": (-9, "int32", "-9"),
    "hexadecimal": (10, "uint8", "0xa"),
    "negative": (-16, "int8", "-0x10"),
    "true": (1, "bool", "true"),
    "false": (0, "bool", "false"),
    "a bool that is neither": (0x7F, "bool", "0x7f"),
    "no bytes": (b"", "buffer", "nothing"),
    "one zero": (b"\0", "buffer", "1 zero byte"),
    "zeros": (bytes(40), "buffer", "40 zero bytes"),
    "text": (b"paused", "buffer", "'paused'"),
    "text and zeros": (b"paused\0\0", "buffer", "'paused' and 2 zero bytes"),
    "one letter is no text": (b"p", "buffer", "70"),
    "an escape sequence is no text": (b"\x1b[2J", "buffer", "1b 5b 32 4a"),
    "a quote": (b"it's", "buffer", '"it\'s"'),
    "bytes": (b"\xfe\xff", "buffer", "fe ff"),
    "few bytes and many zeros": (b"\xfe\xff" + bytes(98), "buffer", "fe ff and 98 zero bytes"),
    "many bytes": (b"\xff" * 33, "buffer", "ff " * 31 + "ff ... (33 bytes)"),
    "no numbers": ((), "uint16", "nothing"),
    "zero": ((0,), "uint16", "1 zero"),
    "zeros in an array": ((0, 0), "uint16", "2 zeros"),
    "numbers": ((1, 2, 300), "uint16", "1 2 0x12c"),
    "equal numbers": ((5, 5, 5, 1), "uint16", "3 times 5, 1"),
    "two equal numbers": ((5, 5, 1), "uint16", "5 5 1"),
    "many numbers": (tuple(range(20)), "uint8", "0 1 2 3 4 5 6 7 8 9 0xa 0xb 0xc 0xd 0xe 0xf ... (20 in all)"),
    "arrays of bytes": ((b"\1\2", b"\3\4"), "buffer", "01 02, 03 04"),
}


@pytest.mark.parametrize(("value", "type_", "text"), VALUES.values(), ids=VALUES.keys())
def test_values(value: Leafs, type_: str, text: str) -> None:
    assert shown(value, type_) == text


def test_without_limit_nothing_is_cut() -> None:
    assert shown(b"\xff" * 40, limit=None) == " ".join(["ff"] * 40)
    assert shown(tuple(range(1, 40)), limit=None).split() == [str(i) if i < 10 else hex(i) for i in range(1, 40)]


@pytest.mark.parametrize(
    ("value", "text"), [(9, ""), (10, "10"), (-10, "-10"), (9_999_999, "9999999"), (10_000_000, "")]
)
def test_decimal(value: int, text: str) -> None:
    assert decimal(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (64 << 20, "64 MiB"), (1 << 40, "1 TiB"),
     (1023 * 1024, "0.999 MiB"), (1 << 62, "4.1e+03 PiB")],
)  # fmt: skip
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_plural() -> None:
    assert [plural(1, "byte"), plural(2, "byte"), plural(2, "entry", "entries")] == ["1 byte", "2 bytes", "2 entries"]


@given(st.text())
def test_clean_is_printable_ascii_and_no_longer_than_needed(name: str) -> None:
    text = clean(name)
    assert text.isascii()
    assert text.isprintable() or not text
    if name.isascii() and name.isprintable() and len(name) < 200:
        assert text == name


def test_a_long_name_is_cut() -> None:
    assert clean("x" * 300) == "x" * 255 + "... (300 characters)"


@given(st.binary(max_size=100) | st.lists(st.integers(), max_size=40).map(tuple) | st.integers())
def test_any_value_is_one_printable_line(value: Leafs) -> None:
    assert shown(value).isprintable()
    assert shown(value).isascii()
