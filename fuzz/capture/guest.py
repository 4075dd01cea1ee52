"""A guest that the arguments bring: a kernel, loaded by firmware, which a destination has no use for.

`-kernel`, `-initrd` and `-append` hand files to the firmware and change nothing that a stream shows: what they held is
in guest RAM by then. So a description names a destination without them, which starts where those files are not, and
only the guest whose stream is taken gets them. The exception are machine types that keep the firmware's loader in a RAM
block of its own (those before 2.0): there the stream has one block more, and nothing is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.qemu import DEFAULT_BINARY, Qemu, option_names

if TYPE_CHECKING:
    from collections.abc import Sequence

GUEST_OPTIONS: Final = frozenset({"kernel", "initrd", "append"})


def has_guest(arguments: Sequence[str]) -> bool:
    """Whether the arguments bring a kernel: a machine that never stands still."""
    return "kernel" in option_names(arguments)


def without_guest(arguments: Sequence[str]) -> tuple[str, ...]:
    """The arguments without the options that bring a guest, and their values."""
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        if word.startswith("-") and word.lstrip("-") in GUEST_OPTIONS:
            next(words, None)
        else:
            kept.append(word)
    return tuple(kept)


def destination(arguments: Sequence[str], *, binary: str = DEFAULT_BINARY) -> tuple[str, ...]:
    """The arguments of a destination for this guest: without it, if the RAM blocks are the same. Raises QemuError."""
    if not has_guest(arguments):
        return tuple(arguments)
    short = without_guest(arguments)
    return short if _blocks(arguments, binary) == _blocks(short, binary) else tuple(arguments)


def _blocks(arguments: Sequence[str], binary: str) -> list[tuple[str, ...]]:
    """Name, used and greatest length of each RAM block."""
    with Qemu(arguments, binary=binary) as vm:
        rows = [line.split() for line in vm.hmp("info ramblock").splitlines()[1:]]
    return sorted((row[0], *row[4:6]) for row in rows)
