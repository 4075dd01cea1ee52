"""What stops a load without returning an error: the ways in which the modelled program dies."""

from __future__ import annotations


class Abort(Exception):
    """The modelled program dies on the spot: an assertion, the allocator, a guard of a design.

    `str()` is the line that the program would print (or the condition that it asserts, where it prints no more).
    """


class Killed(Abort):
    """The modelled program is killed by a signal, and prints nothing. `str()` says which for people."""


class Exit(Exception):
    """The modelled program calls exit(1) from inside a device's load, which nobody above can catch.

    `str()` is its last line. Source: virtio.md 4.1 (in-flight elements).
    """


class Hang(Exception):
    """The modelled program exceeds its budget of steps."""


class Again(BaseException):
    """Records were passed over that this load cannot do without (`model.quiet`): it must be done in full."""


class DescriptionError(Exception):
    """A machine description that cannot be used.

    `where` is a path inside the JSON document, `expected` and `found` say what is wrong there.
    """

    def __init__(self, where: str, expected: str, found: str) -> None:
        super().__init__(f"{where}: expected {expected}, found {found}")
        self.where = where
        self.expected = expected
        self.found = found
