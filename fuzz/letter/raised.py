"""A letter about a stream on which the model raises: a fault of vmfuzz, not of QEMU."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from fuzz.letter.attachment import attachment_part
from fuzz.letter.letter import Letter, Part, block, escaped

if TYPE_CHECKING:
    from fuzz.letter.case import ModelRaised
    from fuzz.letter.subject import Subject

ABOUT: Final = "This is a fault of vmfuzz, whose model refuses or loads any bytes. No QEMU takes part."


def raised_letter(subject: Subject, raised: ModelRaised) -> Letter:
    """The letter."""
    found = raised.found
    command = shlex.join(
        ["vmfuzz", "load", subject.name, "--machine", raised.machine, "--design", found.cause.partition("/")[0]]
    )
    parts = (
        Part("raised", "What is raised", tuple(block([found.text])), {"cause": found.cause, "text": found.text}),
        Part("again", "To see it again", tuple(block([command], "sh")), {"vmfuzz": [command]}),
        attachment_part(subject.name, raised.data),
    )
    _, _, where, kind, _ = found.cause.split("/")
    summary = escaped(f"vmfuzz's model of a load raises on a stream of {len(raised.data)} bytes: {found.text}.")
    facts = {"machine": f"`{raised.machine}`", "cause": f"`{found.cause}`", "kind": found.kind}
    values = {"target": "stream", "kind": found.kind, "severity": found.severity, "cause": found.cause}
    return Letter(f"vmfuzz: {kind} in {where}", summary, ABOUT, facts, parts, values)
