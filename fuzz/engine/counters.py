"""Stable numbers for atheris's own counters.

atheris (3.0.0, 3.1.0) gathers a function's blocks in a set of objects hashed by their address and numbers them in the
set's order, so two processes number the same code differently. `-merge` and `-fork`, which compare numbers between
processes, then lose coverage silently. Hashing each instruction by its order of creation makes the numbers equal
everywhere.

It matters only where atheris's bytecode instrumentation is used (the fallback, `Spec.by_atheris`); our own probes are
numbered in source order.
"""

from __future__ import annotations

import itertools
from typing import Any


def stabilise() -> bool:
    """Patch atheris before it instruments anything. False when this atheris has no such class (nothing to cure)."""
    try:
        import atheris.instrument_bytecode as bytecode  # noqa: PLC0415 - atheris is optional
    except ImportError:
        return False
    instruction = getattr(bytecode, "Instruction", None)
    if instruction is None:
        return False
    serial = itertools.count()

    def by_creation(self: Any) -> int:
        number: int | None = self.__dict__.get("_serial")
        if number is None:
            number = self.__dict__["_serial"] = next(serial)
        return number

    instruction.__hash__ = by_creation
    return True
