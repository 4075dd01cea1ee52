"""What using the memory API wrongly leads to. QEMU stops with an assertion in each of these cases."""

from __future__ import annotations

from model.errors import Abort


class MemoryAbort(Abort):
    """QEMU would abort here: an assertion of its memory core fails. The loader's verdict is `aborted`."""


class TransactionError(MemoryAbort):
    """A commit without a begin (memory.md 5.1)."""
