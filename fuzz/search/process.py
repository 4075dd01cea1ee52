"""The process of one search: it searches, and looks at the witness once more on a target newly built.

    python -m fuzz.search.process SEARCH SCRATCH PARENT     prints the result as one line of JSON

PARENT is the process id of who waits for it.
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.engine.collector import leave_alone
from fuzz.search import ways
from fuzz.search.asked import DOUBT, FOUND, MEMORY, Result, Search
from fuzz.search.engine import is_alone
from fuzz.search.hunt import Ended, Hunt
from fuzz.work.build import build_target
from fuzz.work.limits import limit, memory_of_this_process

if TYPE_CHECKING:
    from fuzz.search.asked import Attempt


def result_of(asked: Search, attempt: Attempt, scratch: Path) -> Result:
    """What a way says, if its witness shows the same again."""
    ended, why = attempt.ended, attempt.why
    if ended == FOUND:
        hunt = Hunt(build_target(asked.spec(scratch)), asked)
        with suppress(Ended):
            hunt(attempt.witness)
        shown = hunt.attempt.cause if hunt.attempt is not None else ""
        if shown != attempt.cause:
            ended, why = DOUBT, f"the witness of {attempt.cause} shows {shown or 'nothing'} when it is loaded again"
    seconds = round(attempt.seconds, 3)
    return Result(ended, attempt.executions, seconds, attempt.cause, len(attempt.witness), why)


def main(argv: list[str]) -> None:
    """Search and say what came of it."""
    asked, scratch = Search.from_json(argv[1]), Path(argv[2])
    if is_alone(int(argv[3])):
        sys.exit(1)
    leave_alone()
    limit(resource.RLIMIT_AS, memory_of_this_process()[0] + MEMORY)
    result = result_of(asked, ways.search(asked, scratch), scratch)
    print(json.dumps(asdict(result)), flush=True)


if __name__ == "__main__":
    main(sys.argv)
