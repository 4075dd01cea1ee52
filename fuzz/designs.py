"""Designs as they are typed on a command line: a name of the house, or FILE:CLASS for one of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.own_design import TAKEN, DesignFileError, made_of, own_design, typed_as
from model.designs import DESIGNS, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.designs import Design


class UsageError(Exception):
    """An option that cannot be used, in one line that says which and why. Exit status 2."""


def named_designs(names: Sequence[str]) -> tuple[type[Design], ...]:
    """The designs named, in the order asked, each once: the reference without a name, every one for `all`.

    Raises UsageError for a name that is none, for a FILE:CLASS that cannot be used, and for two of one name.
    """
    found: dict[str, type[Design]] = {}
    for name in names or (REFERENCE.name,):
        for design in DESIGNS.values() if name == "all" else (design_named(name),):
            if found.setdefault(design.name, design) is not design:
                raise UsageError(f"--design {name}: another design is called {design.name} too")
    return tuple(found.values())


def design_named(name: str) -> type[Design]:
    """The one design of a name, or in FILE:CLASS. Raises UsageError."""
    if name in DESIGNS:
        return DESIGNS[name]
    if ":" in name:
        try:
            return own_design(name)
        except DesignFileError as error:
            raise UsageError(f"--design {name}: {error}") from None
    raise UsageError(f"--design {name}: no such design; there are {', '.join(DESIGNS)}, all, and FILE:CLASS for yours")


def fresh(design: type[Design]) -> Design:
    """An object for one load. Raises UsageError where the class of a user's own raises something itself."""
    try:
        return design()
    except Exception as error:
        if typed_as(design) is None:
            raise
        raise UsageError(
            f"--design {text_of(design)}: {design.__name__}() raised {type(error).__name__}: {error}"
        ) from None


def text_of(design: type[Design]) -> str:
    """What names it from any folder: its name, or FILE:CLASS with the whole path."""
    return typed_as(design) or design.name


def text_for(name: str, texts: Sequence[str]) -> str:
    """What to type for a design of that name, of which one of `texts` may be the FILE:CLASS. No file is run for it."""
    if name in DESIGNS or name in TAKEN:
        return name
    own = [text for text in texts if ":" in text]
    known = [text for text in own if (design := made_of(text)) is not None and design.name == name]
    return next(iter(known or own), name)
