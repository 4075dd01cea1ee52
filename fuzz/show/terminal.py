"""Lines out: coloured on a terminal, through a pager if there is one, and quietly gone if nobody reads any more."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Final, Self

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style as RichStyle

from vmformat.render.line import text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from vmformat.render.line import Line, Style

STYLES: Final[dict[Style, str]] = {
    "offset": "bright_black",
    "kind": "bold cyan",
    "name": "bold",
    "head": "bold blue",
    "field": "",
    "value": "green",
    "meaning": "yellow",
    "note": "bright_black",
    "fault": "bold red",
    "bar": "cyan",
    "byte0": "green",
    "byte1": "yellow",
    "byte2": "cyan",
    "byte3": "magenta",
    "byte4": "bright_blue",
    "byte5": "bright_red",
}
"""How each kind of text looks."""

_SYSTEMS: Final = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
    "windows": ColorSystem.WINDOWS,
}

_TOGETHER: Final = 128
"""Lines that are written at once."""


def codes(console: Console) -> dict[str, tuple[str, str]]:
    """What to write before and behind text of each style; nothing for a terminal without colours."""
    system = _SYSTEMS.get(console.color_system or "")
    found: dict[str, tuple[str, str]] = {"plain": ("", "")}
    for style, look in STYLES.items():
        if system is None or console.no_color or not look:
            found[style] = ("", "")
            continue
        before, _, behind = RichStyle.parse(look).render("\0", color_system=system).partition("\0")
        found[style] = before, behind
    return found


def coloured(line: Line, looks: dict[str, tuple[str, str]]) -> str:
    """A line as a terminal gets it."""
    return "".join([f"{looks[style][0]}{piece}{looks[style][1]}" for style, piece in line])


class Output:
    """Where lines go. Use it in a `with`; `closed` tells that the reader has gone away."""

    def __init__(self, *, colour: bool | None = None, pager: bool = True) -> None:
        options = {None: {}, True: {"force_terminal": True}, False: {"no_color": True}}[colour]
        self.console = Console(highlight=False, emoji=False, **options)  # type: ignore[arg-type]
        self.looks = codes(self.console) if self.console.is_terminal else None
        self.closed = False
        self._pager: subprocess.Popen[str] | None = None
        self._file: IO[str] = self.console.file
        if pager and self.console.is_terminal and sys.stdout.isatty():
            self._pager = _start_pager()
            if self._pager is not None and self._pager.stdin is not None:
                self._file = self._pager.stdin

    @property
    def width(self) -> int:
        """Columns of the terminal, 80 if it is none and COLUMNS does not say otherwise."""
        return self.console.width

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> bool:
        """A reader that has gone away is no error; a pager is waited for, whatever happened."""
        try:
            self._file.flush()
        except BrokenPipeError:
            self._gone()
        if self._pager is not None:
            self._finish(self._pager)
        if kind is not None and issubclass(kind, BrokenPipeError):
            self._gone()
            return True
        return kind is not None and issubclass(kind, KeyboardInterrupt) and self._pager is not None

    def lines(self, lines: Iterable[Line]) -> None:
        """Write lines. Raises BrokenPipeError when nobody reads them, which the `with` takes care of."""
        looks = self.looks
        together: list[str] = []
        for line in lines:
            together.append(text(line) if looks is None else coloured(line, looks))
            if len(together) == _TOGETHER:
                self.write("\n".join(together) + "\n")
                together.clear()
        if together:
            self.write("\n".join(together) + "\n")

    def text(self, lines: Iterable[str]) -> None:
        """Write lines that have no styles."""
        for line in lines:
            self.write(f"{line}\n")

    def write(self, piece: str) -> None:
        """Write text as it is."""
        self._file.write(piece)

    def _gone(self) -> None:
        self.closed = True
        if self._file is sys.stdout:
            # Else the interpreter would complain when it flushes at the end.
            try:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            except (OSError, ValueError):
                return

    @staticmethod
    def _finish(pager: subprocess.Popen[str]) -> None:
        if pager.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                pager.stdin.close()
        while True:
            try:
                pager.wait()
            except KeyboardInterrupt:
                continue  # Ctrl-C is the pager's
            return


def _start_pager() -> subprocess.Popen[str] | None:
    """The user's pager, `less` if none is named; None if there is none or the user wants none."""
    wanted = os.environ.get("PAGER", "less")
    try:
        words = shlex.split(wanted)
    except ValueError:
        return None
    if not words or words == ["cat"] or shutil.which(words[0]) is None:
        return None
    # As git does: colours pass, a single screen is printed and that is it.
    environment = {"LESS": "FRX", "LV": "-c", **os.environ}
    try:
        return subprocess.Popen(words, stdin=subprocess.PIPE, env=environment, text=True, encoding="utf-8")
    except OSError:
        return None
