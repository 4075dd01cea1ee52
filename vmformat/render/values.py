"""Values of leaves as text: numbers, bytes, arrays. What they mean is in `meaning`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vmformat.render.line import plural

if TYPE_CHECKING:
    from vmformat.node import Leafs

_MOST_BYTES: Final = 32
_MOST_NUMBERS: Final = 16
_MOST_DECIMAL: Final = 10_000_000


def shown(value: Leafs, type_: str = "", limit: int | None = 0) -> str:
    """One line. `limit`: how many bytes or numbers are written out, 0 for a screenful, None for all."""
    if isinstance(value, int):
        return number(value, type_)
    if isinstance(value, bytes):
        return raw(value, _MOST_BYTES if limit == 0 else limit)
    if not value:
        return "nothing"
    if not any(value):
        return plural(len(value), "zero")
    return _array(value, type_, _MOST_NUMBERS if limit == 0 else limit)


def number(value: int, type_: str = "") -> str:
    """Decimal where both forms are the same, else hexadecimal; true and false for a bool that is one of them."""
    if type_ == "bool" and value in {0, 1}:
        return "true" if value else "false"
    return str(value) if -9 <= value <= 9 else f"{value:#x}"


def decimal(value: int) -> str:
    """The decimal form of a number that people may know by it, "" for those shown in decimal or too large."""
    return str(value) if 9 < abs(value) < _MOST_DECIMAL else ""


def raw(value: bytes, most: int | None = _MOST_BYTES) -> str:
    """Text if it looks like text, else hexadecimal; zeros are counted."""
    if not value:
        return "nothing"
    kept = value.rstrip(b"\0")
    if not kept:
        return plural(len(value), "zero byte")
    zeros = len(value) - len(kept)
    behind = f" and {plural(zeros, 'zero byte')}" if zeros else ""
    if len(kept) >= 2 and kept.isascii() and (text := kept.decode()).isprintable():
        if most is not None and len(text) > 8 * most:
            return f"{text[: 8 * most]!r}... ({len(value)} bytes)"
        return repr(text) + behind
    if most is None or len(value) <= most:
        return value.hex(" ")
    if len(kept) <= most:
        return kept.hex(" ") + behind
    return f"{value[:most].hex(' ')} ... ({len(value)} bytes)"


def _array(value: tuple[int, ...] | tuple[bytes, ...], type_: str, most: int | None) -> str:
    """Elements one after the other; equal ones that follow each other are counted."""
    pieces: list[str] = []
    at = 0
    while at < len(value) and (most is None or len(pieces) < most):
        end = at + 1
        while end < len(value) and value[end] == value[at]:
            end += 1
        piece = shown(value[at], type_)
        pieces += [f"{end - at} times {piece}"] if end - at > 2 else [piece] * (end - at)
        at = end
    # Two equal ones at the limit count as one piece more than there is room for: no harm.
    spaced = type_ != "buffer" and not any(" " in piece for piece in pieces)
    text = (" " if spaced else ", ").join(pieces)
    return text if at >= len(value) else f"{text} ... ({len(value)} in all)"
