"""What load designs are: what their classes say of themselves, for people who do not have our other documents."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Final

from fuzz.letter.letter import Part, prose
from model import DESIGNS, Design

if TYPE_CHECKING:
    from collections.abc import Sequence

_ELSEWHERE: Final = re.compile(r"\s*\((?:[\w/]+\.md)[^()]*\)|,? in (?:docs/)?[\w/-]+\.md")
_SENTENCE: Final = re.compile(r"(.+?[.])(?=\s|$)", re.DOTALL)
_NAMED: Final = re.compile(r"`([a-z0-9-]+)`")


def about(design: type[Design]) -> tuple[str, ...]:
    """The paragraphs of a design's own description, without references to pages that a reader does not have."""
    text = inspect.getdoc(design) if design.__doc__ is not None else None
    paragraphs = (text or "").split("\n\n")
    return tuple(_ELSEWHERE.sub("", " ".join(one.split())) for one in paragraphs if one.strip())


def gist(design: type[Design]) -> str:
    """The first sentence of it, "" where a user's own says nothing."""
    first = next(iter(about(design)), "")
    found = _SENTENCE.match(first)
    return (found[1] if found else first).rstrip(".")


def design_part(design: type[Design], reference: type[Design]) -> Part:
    """What the design changes in the load, with those on which it builds, and what it is held against."""
    told = {reference.name: about(reference)[:1], design.name: about(design)}
    waiting = [design]
    while waiting:
        for paragraph in about(waiting.pop()):
            for name in _NAMED.findall(paragraph):
                if name in DESIGNS and name not in told:
                    told[name] = about(DESIGNS[name])
                    waiting.append(DESIGNS[name])
    order = [design.name, *(name for name in told if name not in {design.name, reference.name})]
    if design is not reference:
        order.append(reference.name)
    lines: list[str] = []
    for name in order:
        paragraphs = told[name] or ("A design of the user's own; its class says nothing of it.",)
        role = ", what everything is held against" if name == reference.name else ""
        first, *more = (f"`{name}`{role}: {paragraphs[0]}", *paragraphs[1:])
        lines += prose(first, "* ", "  ")
        for paragraph in more:
            lines += ["", *prose(paragraph, "  ", "  ")]
        lines.append("")
    return Part("design", "What the design changes in the load", tuple(lines[:-1]), {n: list(told[n]) for n in order})


def gists(designs: Sequence[type[Design]]) -> list[str]:
    """A line for each design, in a list."""
    lines: list[str] = []
    for design in designs:
        text = gist(design)
        if text:
            lines += prose(f"`{design.name}`: {text}", "* ", "  ")
    return lines
