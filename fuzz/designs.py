"""Designs as they are typed on a command line: a name of the house, or FILE:CLASS for one of the user's own.

Behind `~` stands a seeded bug that is on while the design loads, typed in the same two ways: `per-device~FILE:CLASS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.own_bug import own_bug, typed_bug
from fuzz.own_design import TAKEN, made_of, own_design, typed_as
from fuzz.own_file import OwnFileError
from model.designs import DESIGNS, REFERENCE
from model.seeded import MARK, SEEDED, concerns_memory, name_of, with_bug

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from model.designs import Design


USUAL: Final = ("per-device", "wrap-main")
"""The designs under which a seeded bug is looked for: one commit after each change, and one in all."""


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
    """The one design of a name, or in FILE:CLASS, with its bug if it has one. Raises UsageError."""
    if name in DESIGNS:
        return DESIGNS[name]
    sound, mark, bug = name.partition(MARK)
    if mark and sound in DESIGNS:
        return with_bug(DESIGNS[sound], bug_named(bug))
    if ":" in name:
        try:
            return own_design(name)
        except OwnFileError as error:
            raise UsageError(f"--design {name}: {error}") from None
    raise UsageError(f"--design {name}: no such design; there are {', '.join(DESIGNS)}, all, and FILE:CLASS for yours")


def bug_named(name: str) -> type[object]:
    """The seeded bug of a name, or in FILE:CLASS. Raises UsageError."""
    if name in SEEDED:
        return SEEDED[name]
    if ":" in name:
        try:
            return own_bug(name)
        except OwnFileError as error:
            raise UsageError(f"--seeded {name}: {error}") from None
    raise UsageError(f"--seeded {name}: no such bug; there are {', '.join(SEEDED)}, and FILE:CLASS for yours")


def seeded_designs(bug: str, names: Sequence[str]) -> tuple[type[Design], ...]:
    """The designs named, each with a bug; `per-device` and `wrap-main` if none is. Raises UsageError."""
    found = bug_named(bug)
    return tuple(with_bug(design, found) for design in named_designs(names or USUAL))


def for_programs(designs: Iterable[type[Design]]) -> None:
    """Raises UsageError where a design's bug is none of the memory API: programs of its calls would not show it."""
    for design in designs:
        if design.bug is not None and not concerns_memory(design.bug):
            bug = typed_bug(design.bug)
            raise UsageError(f"--seeded {bug}: replaces nothing of the memory API, which is all that programs call")


def is_known(name: str) -> bool:
    """Whether a design of that name, as causes tell it, can be had without running a file."""
    sound, mark, bug = name.partition(MARK)
    return sound in DESIGNS and (not mark or bug in SEEDED)


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
    if design.bug is not None and design.sound is not None:
        return f"{text_of(design.sound)}{MARK}{typed_bug(design.bug)}"
    return typed_as(design) or design.name


def text_for(name: str, texts: Sequence[str]) -> str:
    """What to type for a design of that name, of which one of `texts` may be the FILE:CLASS. No file is run for it."""
    if is_known(name) or name in TAKEN:
        return name
    sound, mark, bug = name.partition(MARK)
    if mark:
        fitting = (text for text in texts if text.startswith(f"{sound}{MARK}") and ":" in text)
        return next((text for text in fitting if _class_of(text) == bug), name)
    own = [text for text in texts if ":" in text]
    known = [text for text in own if (design := made_of(text)) is not None and design.name == name]
    return next(iter(known or own), name)


def _class_of(text: str) -> str:
    """What a bug typed as FILE:CLASS is called, without running the file."""
    return name_of(type(text.rpartition(":")[2] or "_", (), {}))
