"""One search under one feedback: a worker of its own, for so many executions from the shipped seeds of a machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.campaign.spec import Spec
from fuzz.campaign.stats import read_stats
from fuzz.feedback.feedback import Feedback
from fuzz.feedback.reach import Reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.corpus import MachineFiles


class TrialError(Exception):
    """A worker that did not get to its end; its message is what it said last."""


def trial(machine: MachineFiles, designs: Sequence[str], feedback: str, seed: int, executions: int) -> Reach:
    """What it reached. The same each time. Raises FeedbackError, and TrialError when the worker fails."""
    chosen = Feedback.parse(feedback)
    folder = Path(tempfile.mkdtemp(prefix="vmfuzz-feedback-"))
    try:
        spec = Spec(
            worker="trial",
            target="stream",
            machine=machine.typed,
            description=str(machine.description.resolve()),
            seeds=tuple(str(seed.resolve()) for seed in machine.seeds),
            designs=tuple(designs),
            seed=seed,
            campaign=str(folder),
            executions=executions,
            probes=chosen.probes,
            feedback=feedback,
            reach=str(folder / "reach.json"),
        )
        place = folder / "workers" / spec.worker
        (place / "stuck").mkdir(parents=True)
        (folder / "corpus" / spec.shared).mkdir(parents=True)
        (place / "spec.json").write_text(spec.to_json())
        command = [sys.executable, "-m", "fuzz.work.worker", str(place / "spec.json")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        stats = read_stats(place / "stats.json")
        if done.returncode or stats is None or not (folder / "reach.json").exists():
            said = [line for line in done.stderr.splitlines() if line.strip()]
            raise TrialError(said[-1].strip() if said else f"the worker ended with status {done.returncode}")
        reach = Reach.from_json(json.loads((folder / "reach.json").read_bytes()))
        causes = {cause: one.first_execution for cause, one in stats.findings.items()}
        return replace(reach, causes=causes, corpus=stats.corpus)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
