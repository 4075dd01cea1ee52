"""The one exception that leaves this package."""

from __future__ import annotations


class StreamError(Exception):
    """Bytes, a description or values that are not what the format asks for.

    `offset` counts bytes from the start of the stream (or of the buffer given), `path` names the field that was being
    read or written ("" when there is none). `str()` is one line, fit to be printed to a person.
    """

    def __init__(self, offset: int, path: str, expected: str, found: str) -> None:
        self.offset = offset
        self.path = path
        self.expected = expected
        self.found = found
        where = f" ({_one_line(path)})" if path else ""
        super().__init__(f"offset {offset:#x}{where}: expected {_one_line(expected)}, found {_one_line(found)}")

    def __reduce__(self) -> tuple[type[StreamError], tuple[int, str, str, str]]:
        return type(self), (self.offset, self.path, self.expected, self.found)


def _one_line(text: str) -> str:
    """Names and values come from hostile bytes: keep what is shown on one line and of a sane length."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return shown if len(shown) <= 200 else shown[:200] + "..."
