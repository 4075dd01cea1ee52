"""The one exception that leaves this package, and the same as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a stream that is not what the format asks for: what a tolerant reader notes and goes on from.

    `offset` counts bytes from the start of the stream, `path` names the field ("" when there is none), as they do in
    StreamError. `str()` is one line, fit to be printed to a person.
    """

    offset: int
    path: str
    expected: str
    found: str

    def __str__(self) -> str:
        where = f" ({_one_line(self.path)})" if self.path else ""
        return f"offset {self.offset:#x}{where}: expected {_one_line(self.expected)}, found {_one_line(self.found)}"

    @property
    def error(self) -> StreamError:
        """The exception that a strict reader raises for it."""
        return StreamError(self.offset, self.path, self.expected, self.found)


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
        super().__init__(str(self.fault))

    @property
    def fault(self) -> Fault:
        """The same as a value."""
        return Fault(self.offset, self.path, self.expected, self.found)

    def __reduce__(self) -> tuple[type[StreamError], tuple[int, str, str, str]]:
        return type(self), (self.offset, self.path, self.expected, self.found)


def _one_line(text: str) -> str:
    """Names and values come from hostile bytes: keep what is shown on one line and of a sane length."""
    if text.isprintable() and len(text) <= 200:  # nearly all, and readers make errors by the thousand
        return text
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return shown if len(shown) <= 200 else shown[:200] + "..."
