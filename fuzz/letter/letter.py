"""What a letter is made of: a title, a paragraph, facts, and parts that each have a heading, lines and a value."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COLUMNS: Final = 78
"""Columns of prose, so that a mail may quote it."""
WIDEST: Final = 100
"""Columns of what is drawn."""

_MARKED: Final = re.compile(r"(\*|<(?=[A-Za-z/!?])|(?<!\w)_|_(?!\w))|(`+[^`]*`+)")


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the letter. `lines` are Markdown; `value` says the same to programs, under `key`."""

    key: str
    heading: str
    lines: tuple[str, ...]
    value: Any


@dataclass(frozen=True, slots=True)
class Letter:
    """The whole. `about` is a second paragraph, `facts` come in a list below it; their values are Markdown."""

    title: str
    summary: str
    about: str
    facts: Mapping[str, str]
    parts: tuple[Part, ...]
    values: Mapping[str, Any]

    def markdown(self) -> str:
        """The letter as text, without anything that differs between two times of writing it."""
        lines = [f"# {escaped(self.title)}", "", *prose(self.summary), "", *prose(self.about), ""]
        for name, text in self.facts.items():
            lines += prose(f"{name}: {text}", "* ", "  ") if " " in text else [f"* {name}: {text}"]
        for part in self.parts:
            lines += ["", f"## {part.heading}", "", *part.lines]
        return "\n".join(lines) + "\n"

    def to_json(self) -> dict[str, Any]:
        """The letter as values."""
        return {
            "title": self.title,
            "summary": self.summary,
            **self.values,
            **{part.key: part.value for part in self.parts},
        }


def prose(text: str, first: str = "", others: str = "") -> list[str]:
    """A paragraph in lines; `first` and `others` stand before them."""
    return textwrap.wrap(
        text, COLUMNS, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )


def escaped(text: str) -> str:
    """A text that is no Markdown, as Markdown; what stands in backquotes is left as it is."""
    return _MARKED.sub(lambda found: found[2] or f"\\{found[1]}", text)


def block(lines: Iterable[str], language: str = "") -> list[str]:
    """Lines as they are. The fence is longer than any in them."""
    held = list(lines)
    longest = max((len(run) for line in held for run in re.findall(r"^\s*(`{3,})", line)), default=2)
    fence = "`" * (longest + 1)
    return [f"{fence}{language}", *held, fence]


def indented(lines: Iterable[str], by: str) -> list[str]:
    """Lines within an element of a list."""
    return [f"{by}{line}" if line else line for line in lines]


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
