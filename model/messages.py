"""Bytes of a stream in the program's messages, as a terminal would show them."""

from __future__ import annotations


def c_text(data: bytes) -> str:
    """What printing a C string shows: up to the first NUL, bytes that are no UTF-8 replaced."""
    return data.split(b"\0", 1)[0].decode("utf-8", "replace")


def signed(value: int) -> int:
    """A 32-bit number as `%d` prints it."""
    return value - (1 << 32) if value >> 31 else value
