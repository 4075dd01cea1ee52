"""Whose fault an exception is: one that a design raised is a finding of the design, not a fault of the house.

An exception is the design's when it passed through the design's code on its way: a method of its class, or anything
else in the file of that class. Of what a design gives back only what the loader works with is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from model.designs import Design


class WrongReturn(TypeError):
    """A hook of a design gave something back that the loader cannot work with."""

    def __init__(self, hook: str, expected: str, found: object) -> None:
        super().__init__(f"{hook} returned {type(found).__name__}, expected {expected}")
        self.hook = hook


def hook_of(design: Design, error: BaseException) -> str:
    """The outermost method of the design, or else function of its file, that an exception passed; "" for none.

    What an exception was raised from counts, too: a generator turns a StopIteration into another one.
    """
    if isinstance(error, WrongReturn):
        return error.hook
    owners = type(design).__mro__[:-2]
    codes = {
        value.__code__: name
        for owner in owners
        for name, value in vars(owner).items()
        if callable(value) and hasattr(value, "__code__")
    }
    modules = {owner.__module__ for owner in owners}
    beside = ""
    for trace in _traces(error):
        frame = trace.tb_frame
        if frame.f_code in codes:
            return codes[frame.f_code]
        if not beside and frame.f_globals.get("__name__") in modules:
            beside = frame.f_code.co_name
    return beside


def _traces(error: BaseException) -> Iterator[TracebackType]:
    seen: BaseException | None = error
    while seen is not None:
        trace = seen.__traceback__
        while trace is not None:
            yield trace
            trace = trace.tb_next
        seen = seen.__cause__ or seen.__context__
