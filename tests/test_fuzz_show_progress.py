"""The line that tells how far a long command is."""

from __future__ import annotations

import io

from fuzz.show.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_said_of_what_takes_no_time() -> None:
    out = Terminal()
    progress = Progress(100, out, clock=lambda: 5.0)
    progress(50)
    progress.done()
    assert out.getvalue() == ""


def test_a_line_now_and_then_and_none_at_the_end() -> None:
    out = Terminal()
    times = iter([0.0, 0.5, 2.0, 2.1, 3.0])
    progress = Progress(2048, out, clock=lambda: next(times))
    for done in (100, 512, 600, 1024):
        progress(done)
    progress.done()
    assert out.getvalue() == "\r\x1b[K 25% of 2 KiB\r\x1b[K 50% of 2 KiB\r\x1b[K"


def test_no_terminal_no_line() -> None:
    out = io.StringIO()
    times = iter([0.0, 5.0, 10.0])
    progress = Progress(100, out, clock=lambda: next(times))
    progress(50)
    progress.done()
    assert out.getvalue() == ""
