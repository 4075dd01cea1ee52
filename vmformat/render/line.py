"""Lines of text whose pieces say what they are, so that a terminal can colour them and nobody else has to know.

All that comes from a stream goes through `clean`: no control character, no escape sequence and no line end of a hostile
name ever reaches a terminal.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Style: TypeAlias = Literal[
    "plain", "offset", "kind", "name", "field", "value", "meaning", "note", "fault", "bar", "head",
    "byte0", "byte1", "byte2", "byte3", "byte4", "byte5",
]  # fmt: skip
"""What a piece of text is. `byte0` to `byte5`: bytes of neighbouring fields take turns."""

Part: TypeAlias = tuple[Style, str]
Line: TypeAlias = tuple[Part, ...]

MOST_NAME: Final = 255
"""Characters of a name that are shown: as many as a section's may have."""


def text(line: Line) -> str:
    """The line without styles; never with spaces at its end."""
    return "".join([piece for _, piece in line]).rstrip()


def clean(name: str, most: int = MOST_NAME) -> str:
    """A name out of a stream as it may be printed: other than printable ASCII escaped, cut behind `most` characters."""
    if name.isascii() and name.isprintable() and len(name) <= most:
        return name
    shown = name[:most].encode("unicode_escape").decode("ascii")
    return shown if len(name) <= most else f"{shown}... ({len(name)} characters)"


def size(count: int) -> str:
    """A number of bytes for people: exact below a KiB, else with three digits."""
    if count < 1024:
        return f"{count} B"
    number = count / 1024
    units = ["KiB", "MiB", "GiB", "TiB", "PiB"]
    while number >= 999.5 and len(units) > 1:
        number /= 1024
        units.pop(0)
    return f"{number:.3g} {units[0]}"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 page`, `2 pages`."""
    return f"{count} {one}" if count == 1 else f"{count} {many or one + 's'}"
