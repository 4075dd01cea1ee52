"""A letter about a stream on which vmformat breaks a promise: a fault of the parser, not of QEMU."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from fuzz.corpus import find_machine
from fuzz.designs import UsageError
from fuzz.letter.attachment import attachment_part
from fuzz.letter.letter import Letter, Part, block, prose
from fuzz.targets.roundtrip import RoundtripTarget
from model import DescriptionError, parse, section_schemas

if TYPE_CHECKING:
    from fuzz.engine import Found
    from fuzz.letter.subject import Subject
    from vmformat import Schemas

ABOUT: Final = "This is a fault of vmformat. No QEMU takes part, and no load design."


def roundtrip_letter(subject: Subject, typed: str | None) -> Letter:
    """The letter. Raises UsageError if the bytes break no promise (any more), CorpusError, OSError."""
    name = typed or subject.text("machine")
    schemas = _schemas(name) if name else None
    data = subject.path.read_bytes()
    found = RoundtripTarget(schemas, thorough=1, memory=1).run(data).found
    kept = [one for one in found if one.cause in subject.causes] or list(found)
    if not kept:
        raise UsageError(f"{subject.typed}: vmformat keeps all its promises on it")
    worst = kept[0]
    shown = shlex.quote(subject.name)
    machine = f" --machine {shlex.quote(name.rpartition('/')[2])}" if name else ""
    commands = [f"vmfuzz show {shown}{machine} --faults", f"vmfuzz show {shown}{machine} --hex"]
    summary = (
        f"vmformat, the reader and writer of migration streams in vmfuzz, breaks a promise on {len(data)} bytes: "
        f"{worst.text}."
    )
    parts = (
        _broken_part(kept),
        Part("again", "To see it again", tuple(block(commands, "sh")), {"vmfuzz": commands}),
        attachment_part(subject.name, data),
    )
    facts = {"machine": f"schemas of `{name.rpartition('/')[2]}`"} if name else {}
    facts |= {"cause": f"`{worst.cause}`", "kind": worst.kind}
    values = {"target": "roundtrip", "kind": worst.kind, "severity": worst.severity, "cause": worst.cause}
    return Letter(f"vmformat: {_title(worst)}", summary, ABOUT, facts, parts, values)


def _title(found: Found) -> str:
    _, oracle, reader, change, _ = found.cause.split("/")
    return f"the law `{reader}` does not hold" if oracle == "law" else f"{change} in {reader}"


def _broken_part(found: list[Found]) -> Part:
    lines: list[str] = []
    for one in found:
        lines += prose(f"`{one.cause}`:", "* ", "  ")
        lines += ["", *(f"  {line}" for line in block([one.text])), ""]
    return Part(
        "broken", "What does not hold", tuple(lines[:-1]), [{"cause": one.cause, "text": one.text} for one in found]
    )


def _schemas(name: str) -> Schemas:
    try:
        return section_schemas(parse(find_machine(name).description.read_bytes()))
    except DescriptionError as error:
        raise UsageError(f"machine {name}: {error}") from None
