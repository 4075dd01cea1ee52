"""What one must know of a stream before its ram records can be told apart (facts: stream.md 1.5, 1.6, 1.12, 4).

The records say nothing of it themselves: page sizes and capabilities stand in the configuration, what postcopy adds to
the block list follows from a command before it, and old or foreign streams tell neither. `fitting` in `walk` tries
what else may be meant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from vmformat.command import Cmd
from vmformat.errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmformat.command import Command
    from vmformat.configuration import Configuration

PAGE_SIZE: Final = 4096
"""Bytes of a target page on x86."""

PAGE_SIZES: Final = (4096, 1024, 8192, 16384, 65536)
"""Bytes of a target page that are known, likely ones first: arm may have 1024, sparc64 and alpha have 8192."""

ANY_SIZE: Final = (1 << 64) - 1
"""As `advised`: any power of two may be a block's page size."""

_LEAST_BITS: Final = 10
_MOST_BITS: Final = 30


@dataclass(frozen=True, slots=True)
class RamContext:
    """How the ram records of a stream are to be read.

    - `page_size`: bytes of a target page, a power of two from 1024 on. Flags are the bits below it.
    - `ignore_shared`: capability x-ignore-shared, blocks are listed with their guest physical address.
    - `mapped_ram`: capability mapped-ram, each block is listed with a header, a bitmap and all of its pages.
    - `advised`: the page sizes of all blocks or'ed together, as POSTCOPY_ADVISE before the list told them, 0 if there
      was none. A block is then listed with its page size if that is not the host's.
    """

    page_size: int = PAGE_SIZE
    ignore_shared: bool = False
    mapped_ram: bool = False
    advised: int = 0

    @classmethod
    def of(
        cls,
        configuration: Configuration | None = None,
        commands: Iterable[Command] = (),
        page_size: int | None = None,
    ) -> Self:
        """From the configuration, the commands before the ram section, and a page size known otherwise.

        A VMDESCRIPTION tells one (`page_size`). POSTCOPY_ADVISE tells one too, and the configuration has the last word.
        Raises nothing: what cannot be read or is no page size counts as not said.
        """
        sizes = [page_size or 0]
        advised = 0
        for command in commands:
            if command.cmd == Cmd.POSTCOPY_ADVISE and len(command.payload) == 16:
                advised = int.from_bytes(command.payload[:8], "big")
                sizes.append(int.from_bytes(command.payload[8:], "big"))
        shared = mapped = False
        if configuration is not None:
            try:
                tree, capabilities = configuration.tree, configuration.capabilities
            except StreamError:
                return cls(_last_size(sizes), advised=advised)
            shared, mapped = "x-ignore-shared" in capabilities, "mapped-ram" in capabilities
            bits = tree.find("configuration/target-page-bits.bits")
            if bits is not None and isinstance(bits.value, int) and _LEAST_BITS <= bits.value <= _MOST_BITS:
                sizes.append(1 << bits.value)
        return cls(_last_size(sizes), shared, mapped, advised)

    def after(self, command: Command) -> Self:
        """The same, if need be changed by a command."""
        if command.cmd != Cmd.POSTCOPY_ADVISE or len(command.payload) != 16:
            return self
        advised, size = int.from_bytes(command.payload[:8], "big"), int.from_bytes(command.payload[8:], "big")
        return replace(self, page_size=_last_size([self.page_size, size]), advised=advised)


def _last_size(sizes: Iterable[int]) -> int:
    usable = [size for size in sizes if size.bit_count() == 1 and _LEAST_BITS < size.bit_length() <= _MOST_BITS + 1]
    return usable[-1] if usable else PAGE_SIZE
