"""The first proposal of the thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.designs.design import Design

if TYPE_CHECKING:
    from model.designs.design import Load


class V1FlagEof(Design):
    """Begin at the first FULL section, commit at the EOF byte (Chuang Xu, RFC v1, 18 November 2022).

    The flag that remembers the begin lives in the incoming state of the process and is never cleared; nothing else ties
    begin and commit together, so an EOF that no FULL section came before, the second of two EOFs, or an error that
    leaves the loop between them does not pair (stream.md 2.9).
    """

    name = "v1-flag-eof"

    def section_begins(self, load: Load) -> None:
        """Begin, once in the life of the process."""
        if load.full_section and "v1-flag-eof" not in load.process:
            load.process["v1-flag-eof"] = True
            load.memory.begin()

    def end_of_stream(self, load: Load) -> None:
        """Commit, whoever's EOF it is."""
        load.memory.commit()
