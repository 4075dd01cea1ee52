"""Designs as they are typed on a command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.designs import DESIGNS, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.designs import Design


class UsageError(Exception):
    """An option that cannot be used, in one line that says which and why. Exit status 2."""


def named_designs(names: Sequence[str]) -> tuple[type[Design], ...]:
    """The designs named, in the order asked, each once: the reference without a name, every one for `all`.

    Raises UsageError for a name that is none.
    """
    if not names:
        return (REFERENCE,)
    if "all" in names:
        return tuple(DESIGNS.values())
    for name in names:
        if name not in DESIGNS:
            msg = f"--design {name}: no such design; there are {', '.join(DESIGNS)}, all"
            raise UsageError(msg)
    return tuple(DESIGNS[name] for name in dict.fromkeys(names))
