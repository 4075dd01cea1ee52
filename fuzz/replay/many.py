"""Many findings run again, as `vmfuzz triage` runs witnesses: in processes that may hang and die of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.campaign.folder import Campaign
from fuzz.crashers import CrasherError
from fuzz.replay.still import Still
from fuzz.triage.replay import replay, tasks
from fuzz.triage.witness import Witnesses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fuzz.replay.given import Finding
    from fuzz.triage.replay import Answer
    from fuzz.triage.witness import Witness


def still(
    findings: Sequence[Finding],
    own: Sequence[str] = (),
    jobs: int = 1,
    said: Callable[[int], None] = lambda _: None,
) -> Iterator[Still | CrasherError]:
    """All of them, in `jobs` processes; of what cannot be run an error that says so is among them.

    `own`: designs of a user's own, as they are typed; those alone may be run. `said`: how many are done.
    """
    made = Witnesses(own)
    done = 0
    for place in dict.fromkeys(one.place.parent for one in findings):
        # In one campaign there is one of each cause; by their causes answers are told apart.
        asked: dict[str, tuple[Finding, Witness]] = {}
        for one in findings:
            if one.place.parent == place:
                try:
                    asked[one.record.cause] = one, _witness(one, made)
                except CrasherError as error:
                    yield error
        answers = replay(
            tasks((cause, witness) for cause, (_, witness) in asked.items()),
            jobs,
            lambda more, before=done: said(before + more),  # type: ignore[misc]
        )
        done += len(asked)
        yield from (_told(one, witness, answers[cause]) for cause, (one, witness) in asked.items())


def _witness(finding: Finding, made: Witnesses) -> Witness:
    """What is to be run. Raises CrasherError for a description with other things in it than there should be."""
    record = finding.record
    steps = [] if record.schedule is None else record.schedule
    texts = [record.cause, record.machine, record.target]
    if not isinstance(steps, list) or not all(isinstance(text, str) for text in (*texts, *steps)):
        raise CrasherError(f"finding {finding.place}: cause, machine, target or schedule is none")
    if record.cause.count("/") != 4:
        raise CrasherError(f"finding {finding.place}: a cause has five parts joined by '/', found {record.cause}")
    return made.of_finding(finding.place, record, Campaign(finding.place.resolve().parent.parent))


def _told(finding: Finding, witness: Witness, answer: Answer) -> Still | CrasherError:
    cause = finding.record.cause
    shows = answer.shows(cause)
    if shows is None:
        return CrasherError(f"finding {finding.place}: {answer.why_not()}")
    causes = sorted({one.cause for one in answer.found})
    return Still(finding, tuple(causes), witness.command(cause), ended=shows and cause not in causes)
