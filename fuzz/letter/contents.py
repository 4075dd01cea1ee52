"""What the stream holds, and the machine that it is for."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from fuzz.letter.letter import Part, block, escaped, prose
from model import misfits
from vmformat import Section, read
from vmformat.paths import walk_records

if TYPE_CHECKING:
    from fuzz.letter.case import Case

MOST: Final = 16
"""Sections told one by one."""
_ABSENT: Final = ": not in the stream"


def stream_part(case: Case) -> Part:
    """The part of the letter."""
    stream = read(case.data, case.machine.schemas, tolerant=True)
    sections = [one for _, one in walk_records(stream, case.machine.schemas) if isinstance(one, Section)]
    value: dict[str, Any] = {
        "name": case.subject.name,
        "size": len(case.data),
        "sha256": hashlib.sha256(case.data).hexdigest(),
        "sections": [
            {"offset": one.offset, "kind": one.kind.name, "name": one.name, "size": len(one.buffer)} for one in sections
        ],
        "machine": case.description.name,
        "machine_type": case.description.machine,
        "qemu": case.description.qemu,
        "arguments": list(case.description.arguments),
    }
    count = f"{len(sections)} section{'' if len(sections) == 1 else 's'}"
    lines = [*prose(f"`{case.subject.name}` is {len(case.data)} bytes with {count}:"), ""]
    told = [f"{'offset':>8}  {'bytes':>8}  {'kind':5}  section"]
    told += [f"{one.offset:#8x}  {len(one.buffer):8}  {one.kind.name:5}  {one.name}" for one in sections[:MOST]]
    if len(sections) > MOST:
        told.append(f"and {len(sections) - MOST} more")
    lines += block(told)
    wrong = misfits(case.machine, case.data)
    absent = sum(line.endswith(_ABSENT) for line in wrong)
    if absent:
        text = (
            f"It was cut down to what shows it: {absent} things that a stream of this machine has are left out, which "
            "no loader minds."
        )
        lines += ["", *prose(text)]
    for line in wrong:
        if not line.endswith(_ABSENT):
            lines += ["", *prose(escaped(f"It does not fit the machine: {line}."))]
    return Part("stream", "The stream", tuple(lines), value)
