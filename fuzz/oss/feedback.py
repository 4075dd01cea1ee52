"""Which feedback a fuzz target can have: ours, or atheris's own.

Ours needs two functions of libFuzzer itself, to hand it a region of counters (`fuzz.engine.features`). They are in the
module that atheris loads for its built-in libFuzzer, or in a libFuzzer that was loaded before Python was. A service has
whatever atheris it has; where neither is to be found, atheris instruments the byte code instead, which is slower and
knows no facts, but searches.
"""

from __future__ import annotations

import ctypes
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from fuzz.engine.counters import stabilise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

FUNCTION: Final = "__sanitizer_cov_8bit_counters_init"
BUILT_IN: Final = "atheris.core_with_libfuzzer"


def has_counters() -> bool:
    """Whether our counters can be handed over. Loads nothing of atheris's that must be loaded later."""
    if hasattr(ctypes.CDLL(None), FUNCTION):
        return True
    try:
        return find_spec(BUILT_IN) is not None
    except ImportError:
        return False


def byte_code(packages: Sequence[str]) -> AbstractContextManager[Any]:
    """What is imported inside is instrumented by atheris, the same in each process."""
    stabilise()
    import atheris  # noqa: PLC0415 - optional

    # atheris takes the first part of a name only.
    context: AbstractContextManager[Any] = atheris.instrument_imports(
        include=sorted({name.partition(".")[0] for name in packages})
    )
    return context
