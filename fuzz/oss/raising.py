"""How a finding ends a fuzz target: an exception that others tell apart by its cause.

ClusterFuzz calls two crashes the same when the names of the three innermost functions in the Python traceback are the
same; it looks neither at the exception's type nor at its message. All our findings are raised in one place, so every
cause would look alike. Therefore the traceback ends with three functions that are named after the cause: the design
with the oracle, the reader with the change, the device.

Names are cut and cleaned as that parser would do it, so that nothing of a cause is lost to it without our knowing: it
cuts at blanks, brackets and exclamation marks, after 80 characters, and puts `NUMBER` for four digits in a row.
"""

from __future__ import annotations

import re
from types import FunctionType
from typing import TYPE_CHECKING, Final, NoReturn
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.engine import Found

LONGEST: Final = 80
"""Characters of a function's name that are compared."""

_UNFIT: Final = re.compile(r"[^A-Za-z0-9]+")
_DIGITS: Final = re.compile(r"\d{4,}")


class NewCause(Exception):
    """A finding whose cause is not among the known ones."""


def new_cause(found: Sequence[Found]) -> NoReturn:
    """End the execution with the first of these findings by cause; the others are told of in its message."""
    first, *others = sorted(found, key=lambda one: one.cause)
    lines = [first.cause, first.text, *(f"also: {one.cause}" for one in others)]
    _named(function_names(first.cause), NewCause("\n".join(lines)))


def function_names(cause: str) -> tuple[str, ...]:
    """What the three innermost functions are called, outermost first."""
    parts = cause.split("/")
    return tuple(_name("_".join(some)) for some in (parts[4:] or ["-"], parts[2:4], parts[:2]))


def _name(text: str) -> str:
    """A name that the parser leaves alone, and that still differs where the texts do."""
    name = "cause_" + _DIGITS.sub("N", _UNFIT.sub("_", text)).strip("_")
    if len(name) > LONGEST:
        # Letters only: digits in a row are taken away.
        tail = "".join(chr(ord("a") + int(digit, 16)) for digit in f"{crc32(text.encode()):08x}")
        name = f"{name[: LONGEST - 9]}_{tail}"
    return name


def _named(names: tuple[str, ...], error: NewCause) -> NoReturn:
    """Raise the error with these functions at the end of the traceback."""
    code = _frame.__code__.replace(co_name=names[0], co_qualname=names[0])
    FunctionType(code, globals())(names[1:], error)
    raise error


def _frame(names: tuple[str, ...], error: NewCause) -> None:
    if not names:
        raise error
    code = _frame.__code__.replace(co_name=names[0], co_qualname=names[0])
    FunctionType(code, globals())(names[1:], error)
