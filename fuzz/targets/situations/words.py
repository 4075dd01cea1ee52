"""Numbers and messages as facts have them: few of each, whatever a stream spells."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

WORDS: Final = 3
"""Of a message."""

_NUMBER: Final = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]*\d[0-9a-fA-F]*")
_SHORT_NUMBER: Final = re.compile(r"\b[0-9a-f]{1,2}\b")
_QUOTED: Final = re.compile(r"['\"][^'\"]*['\"]")


@lru_cache(maxsize=50_000)
def message_kind(message: str) -> str:
    """A message without its numbers and quoted names: `VQ 0 size 0x100 ...` and `VQ 3 size 0x40 ...` are one kind."""
    return _QUOTED.sub("'", _NUMBER.sub("#", message[:160]))


@lru_cache(maxsize=50_000)
def said(message: str) -> str:
    """The first words of a message, numbers aside: what a stream spells comes behind them, and has no end."""
    return _SHORT_NUMBER.sub("#", " ".join(message_kind(message).split()[:WORDS]))


def bucket(number: int) -> int:
    """Powers of two, as libFuzzer counts: 0, 1, 2, 3 (for 4-7), ..."""
    return number.bit_length()


def part_of(number: int, whole: int) -> str:
    """How a number stands to the most that it may be: the bound and its neighbours apart, all else in a word."""
    if number == 0:
        return "none"
    if number < whole - 1:
        return "some"
    return {whole - 1: "all but one", whole: "all", whole + 1: "one too many"}.get(number, "too many")
