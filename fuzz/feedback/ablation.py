"""The same search under several feedbacks, from several seeds: what each is worth, counted in executions.

Results are kept in a folder, a file each, and those that are there already are not run again; so it can be stopped and
gone on with. A file is named after what was asked: who changes what is asked, or the program, takes another folder.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

from fuzz.atomic import write_atomic
from fuzz.feedback.reach import Reach
from fuzz.feedback.trial import trial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fuzz.corpus import MachineFiles


@dataclass(frozen=True, slots=True)
class Ablation:
    """What is asked. `jobs`: searches at a time, each a process."""

    machine: MachineFiles
    designs: tuple[str, ...]
    feedbacks: tuple[str, ...]
    seeds: tuple[int, ...]
    executions: int
    folder: Path
    jobs: int = 1

    def place(self, feedback: str, seed: int) -> Path:
        """Where the result of one search is kept."""
        asked = json.dumps((self.designs, self.executions)).encode()
        return self.folder / f"{self.machine.name}-{feedback}-{seed}-{crc32(asked):08x}.json"

    def results(self) -> Iterator[tuple[str, int, Reach]]:
        """(feedback, seed, what it reached), those that are known first. Raises TrialError and OSError."""
        wanted = [(feedback, seed) for seed in self.seeds for feedback in self.feedbacks]
        missing = []
        for feedback, seed in wanted:
            try:
                yield feedback, seed, Reach.from_json(json.loads(self.place(feedback, seed).read_bytes()))
            except (OSError, ValueError, TypeError):
                missing.append((feedback, seed))
        if not missing:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(self.jobs) as pool:
            running = {pool.submit(self._search, *one): one for one in missing}
            try:
                for done in as_completed(running):
                    yield (*running[done], done.result())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _search(self, feedback: str, seed: int) -> Reach:
        reach = trial(self.machine, self.designs, feedback, seed, self.executions)
        write_atomic(self.place(feedback, seed), json.dumps(reach.to_json(), indent=1).encode())
        return reach
