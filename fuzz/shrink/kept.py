"""The best case on disk: a crasher at any moment, whatever kills the process.

Stream and schedule must belong together always, and only one file can be replaced at a time. So the stream's file ends
with its schedule (`model.schedule.join`) until the very end, when the JSON has it. Until then nothing is expected of
the outcome but that it can be loaded; the causes that it shows are told as a note.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz.atomic import write_atomic
from fuzz.beside import named_from
from fuzz.expectations import expectations
from fuzz.lives import lives_of
from fuzz.shrink.given import JSON, STREAM
from model.schedule import EMPTY_SCHEDULE, join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.shrink.given import Given
    from fuzz.shrink.work import Case
    from model import Machine
    from model.schedule import Schedule


def output_path(output: Path | None, given: Given, typed: str) -> Path:
    """The stream's file to write: OUT.vmstate for OUT; else with `-shrunk` beside what is given, or, of a shipped
    stream, in the working directory.
    """
    if output is not None:
        return output.with_name(output.name.removesuffix(STREAM).removesuffix(JSON) + STREAM)
    if not Path(typed).exists():
        return Path(f"{typed.replace('/', '-')}-shrunk{STREAM}")
    return given.path.with_name(f"{given.path.stem}-shrunk{STREAM}")


@dataclass(frozen=True, slots=True)
class Kept:
    """The crasher that is being written."""

    path: Path
    given: Given
    causes: Sequence[str]

    def begin(self) -> None:
        """Write the case as it was given. Raises OSError."""
        described = self.path.with_suffix(JSON)
        if described.exists() and not (self.path.exists() and self.path.samefile(self.given.path)):
            described.unlink()  # it belongs to another stream
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.improved(self.given.case)
        self._describe(EMPTY_SCHEDULE, {self.given.design.name: {}})

    def improved(self, case: Case) -> None:
        """Write a better case. Raises OSError."""
        write_atomic(self.path, join(case.data, case.schedule))

    def end(self, case: Case, machine: Machine) -> None:
        """Write the case as a crasher, with what is expected of it under each design. Raises OSError."""
        self.improved(case)
        try:
            expect = expectations(
                machine,
                case.data,
                case.schedule,
                self.given.designs,
                loadvm=self.given.loadvm,
                beyond=lives_of(self.causes),
            )
        except Exception:  # noqa: BLE001 - the finding may be that the model raises: then nothing is expected
            expect = {}
        self._describe(case.schedule, expect)
        write_atomic(self.path, case.data)

    def _describe(self, schedule: Schedule, expect: dict[str, Any]) -> None:
        given = self.given
        values: dict[str, Any] = {
            "machine": named_from(self.path.parent, given.machine),
            "schedule": schedule.to_json(),
        }
        if given.loadvm:
            values["loadvm"] = True
        values |= {"cause": list(self.causes), **given.notes, "expect": expect}
        write_atomic(self.path.with_suffix(JSON), json.dumps(values, indent=2).encode() + b"\n")
