"""A letter about an input on which the code under test raises, hangs or dies: a fault of vmfuzz, not of QEMU."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from fuzz.engine import Found
from fuzz.letter.attachment import attachment_part
from fuzz.letter.case import ModelRaised
from fuzz.letter.letter import Letter, Part, block, escaped
from fuzz.targets.memory import NAME as MEMORY
from fuzz.targets.stream import NAME as STREAM
from fuzz.work.deaths import ENDS
from model import DESIGNS
from model.schedule import split

if TYPE_CHECKING:
    from fuzz.letter.subject import Subject

ABOUT: Final = "This is a fault of vmfuzz, which has an answer to any bytes. No QEMU takes part."


def raised_letter(subject: Subject, raised: ModelRaised) -> Letter:
    """The letter."""
    found = raised.found
    design, oracle, where, kind, _ = found.cause.split("/")
    command = ["vmfuzz", "load", subject.name, "--machine", raised.machine]
    if subject.target != STREAM:
        command = ["vmfuzz", "program" if subject.target == MEMORY else "show", subject.name]
    elif design in DESIGNS:
        command += ["--design", design]
    else:
        command += ["--design", "all"]
    parts = (
        Part("raised", "What happens", tuple(block([found.text])), {"cause": found.cause, "text": found.text}),
        Part("again", "To see it again", tuple(block([shlex.join(command)], "sh")), {"vmfuzz": [shlex.join(command)]}),
        attachment_part(subject.name, raised.data),
    )
    what = oracle if oracle in ENDS else kind
    does = {"hang": "hangs on", "death": "dies of", "memory": "runs out of memory on"}.get(what, "raises on")
    summary = escaped(f"vmfuzz {does} an input of {len(raised.data)} bytes: {found.text}.")
    facts = {"machine": f"`{raised.machine}`"} if raised.machine else {}
    facts |= {"cause": f"`{found.cause}`", "kind": found.kind}
    values = {"target": subject.target, "kind": found.kind, "severity": found.severity, "cause": found.cause}
    return Letter(f"vmfuzz: {what} in {where}", summary, ABOUT, facts, parts, values)


def ended_of(subject: Subject) -> ModelRaised | None:
    """What is kept of an input that ended its process, which is not run again; None for any other. Raises OSError."""
    cause = next((one for one in subject.causes if ENDS & {*one.split("/")[1:2]} and one.count("/") == 4), None)
    if cause is None:
        return None
    found = Found(subject.text("kind"), cause, subject.text("text"), severity=subject.text("severity"))
    machine = subject.text("machine").rpartition("/")[2]
    return ModelRaised(found, machine, split(subject.path.read_bytes())[0])
