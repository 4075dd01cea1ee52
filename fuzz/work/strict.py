"""How many of a worker's mutants are streams: each is read once more, strictly, with the machine's schemas.

The reading comes between two executions, changes nothing that the search looks at, and takes several times as long as
an execution: so it is a measurement of its own (`vmfuzz bench`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fuzz.work.reporting import WorkerReport
from model.schedule import split
from vmformat import StreamError, read

if TYPE_CHECKING:
    from pathlib import Path

    from vmformat import Schemas


def is_strict(data: bytes, schemas: Schemas) -> bool:
    """Whether an input, less the schedule at its end, is a whole stream to a strict reader."""
    try:
        read(split(data)[0], schemas)
    except StreamError:
        return False
    return True


class StrictReport(WorkerReport):
    """Counts the mutants that it hears of and those that are streams; what came in line is no mutant.

    `into` gets `{"mutants": n, "strict": n}` when the worker stops.
    """

    def __init__(self, *what: Any, schemas: Schemas, into: Path, **more: Any) -> None:
        super().__init__(*what, **more)
        self._schemas = schemas
        self._into = into
        self._counts = {"mutants": 0, "strict": 0}

    def ended(self, data: bytes, execution: int, fresh: int) -> None:
        """Read a mutant once more, then as always."""
        if self._feed.asked and self._feed.current is None:
            self._counts["mutants"] += 1
            self._counts["strict"] += is_strict(data, self._schemas)
        super().ended(data, execution, fresh)

    def stopped(self, executions: int, situations: int, reason: str) -> None:
        """Say what was counted, then as always."""
        self._into.write_text(json.dumps(self._counts))
        super().stopped(executions, situations, reason)
