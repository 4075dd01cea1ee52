"""A letter about a program of memory-API calls: the program, what happened at each call, and how designs took it."""

from __future__ import annotations

import shlex
import textwrap
from typing import TYPE_CHECKING, Any, Final

from fuzz.campaign.asked import asked_design
from fuzz.campaign.findings import WITNESS
from fuzz.commands.program import read_program
from fuzz.designs import UsageError, design_named, named_designs, text_of
from fuzz.letter.again import shell_lines
from fuzz.letter.design import design_part, gist, gists
from fuzz.letter.letter import WIDEST, Letter, Part, block, escaped, prose
from fuzz.letter.words import RANKS, title_of_program
from fuzz.programs import WORLDS, Judge
from model import DESIGNS, REFERENCE
from model.outcome import most_severe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.letter.case import Asked
    from fuzz.letter.subject import Subject
    from fuzz.programs import Judged, Program
    from model import Design, Finding

ABOUT: Final = (
    "No stream and no machine take part: the calls below are made on a model of QEMU's memory API, with the load's "
    "transaction open from the call `load` on, as the design has it."
)
_HEADS: Final = ("design", "ended", "rebuilds", "forced", "reads", "needed", "harmful", "causes")
NOTE: Final = (
    "rebuilds: commits that made new flat views; forced: those that the design made within a getter; reads: uses of a "
    "view while changes were pending; needed: those that the view of before would have shown wrong; harmful: those "
    "that were shown wrong."
)


def is_program(subject: Subject) -> bool:
    """Whether the file is the text of a program."""
    with subject.path.open("rb") as file:
        return file.read(6) == b"world "


def program_letter(subject: Subject, asked: Asked) -> Letter:
    """The letter. Raises UsageError, ProgramError, OSError."""
    program = read_program(subject.path)
    causes = (asked.cause,) if asked.cause is not None else subject.causes
    wanted = _wanted(subject, asked, causes)
    designs = tuple(dict.fromkeys((*DESIGNS.values(), *wanted)))
    judged = {one.result.design: one for one in Judge(designs).judge(program)}
    design, finding = _picked(subject, asked, causes, [(one, judged[one.name]) for one in wanted])
    own, reference = judged[design.name], judged[REFERENCE.name]
    name = subject.name if subject.name != WITNESS else "witness.txt"
    severity = finding.severity
    facts = {"severity": f"{severity}: {RANKS[severity]}"}
    facts["design"] = f"`{design.name}`" + (f": {gist(design)}" if gist(design) else "")
    facts |= {"cause": f"`{finding.cause}`", "kind": finding.kind}
    calls = len(program.calls)
    summary = (
        f"A program of {calls} call{'' if calls == 1 else 's'} of the memory API shows it under the load design "
        f"`{design.name}`: {finding.text}."
    )
    parts = (
        _story_part(own, reference),
        _world_part(program),
        design_part(design, REFERENCE),
        _others_part(list(judged.values())),
        _again_part(name, program, finding, _typed(design, asked)),
    )
    values = {"target": "memory", "kind": finding.kind, "severity": str(severity), "cause": str(finding.cause)}
    return Letter(f"[{design.name}] {title_of_program(finding)}", escaped(summary), ABOUT, facts, parts, values)


def _wanted(subject: Subject, asked: Asked, causes: Sequence[str]) -> tuple[type[Design], ...]:
    if asked.design is not None:
        return named_designs((asked.design,))
    names = list(dict.fromkeys(cause.partition("/")[0] for cause in causes))
    if not names or "any" in names:
        return tuple(DESIGNS.values())
    if subject.path.name == WITNESS:
        return tuple(asked_design(name, subject.path.parent) for name in names)
    return tuple(design_named(name) for name in names)


def _picked(
    subject: Subject, asked: Asked, causes: Sequence[str], judged: Sequence[tuple[type[Design], Judged]]
) -> tuple[type[Design], Finding]:
    shown = [(design, finding) for design, one in judged for finding in one.findings]
    kept = [(design, finding) for design, finding in shown if str(finding.cause) in causes]
    if not shown or (asked.cause is not None and not kept):
        others = ", ".join(sorted(str(finding.cause) for _, finding in shown)) or "none"
        what = f"no such cause: {asked.cause}; it shows {others}" if asked.cause else "nothing is wrong with it"
        raise UsageError(f"{subject.typed}: {what}")
    order = most_severe(finding for _, finding in kept or shown)
    return min(kept or shown, key=lambda pair: order.index(pair[1]))


def _typed(design: type[Design], asked: Asked) -> str:
    return asked.design or text_of(design).rpartition("/")[2]


def _story_part(own: Judged, reference: Judged) -> Part:
    result = own.result
    lines = [
        *prose(f"The calls, and what happened at them under `{result.design}`:"),
        "",
        *block(_wrapped(result.log)),
        "",
    ]
    for finding in most_severe(own.findings):
        lines += prose(escaped(finding.text), "* ", "  ")
    ends = (
        f"Under `{reference.result.design}` the program {_ended(reference)}, under `{result.design}` it {_ended(own)}."
    )
    lines += ["", *prose(ends)]
    value = {
        "log": list(result.log),
        "findings": [{"cause": str(one.cause), "text": one.text} for one in own.findings],
        "verdicts": {one.result.design: one.result.verdict for one in (reference, own)},
    }
    return Part("story", "What happens", tuple(lines), value)


def _wrapped(lines: Sequence[str]) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, WIDEST, subsequent_indent="      ") or [""]]


def _ended(one: Judged) -> str:
    words = {"ended": "runs to its end", "aborted": "is stopped by the design", "died": "makes the memory core assert"}
    return words.get(one.result.verdict, one.result.verdict)


def _world_part(program: Program) -> Part:
    """The tree before the first call."""
    world = WORLDS[program.world]
    lines = [f"{'region':16}  {'kind':9}  {'size':>19}  what it shows"]
    for part in world.parts:
        shows = f"alias of {part.target}" if part.target else ""
        off = "" if part.enabled else "disabled"
        text = f"{part.name:16}  {part.kind.name.lower():9}  {part.size:#19x}  {' '.join(filter(None, (shows, off)))}"
        lines.append(text.rstrip())
    lines.append("")
    for region, container, offset, priority in world.attached:
        over = f", priority {priority}" if priority else ""
        lines.append(f"{region} in {container} at {offset:#x}{over}")
    lines.append("")
    lines += [f"address space {name}: root {root}" for name, root in world.spaces]
    value: dict[str, Any] = {"name": world.name, "regions": list(world.region_names)}
    told = (*prose(f"The world `{world.name}`, before the first call:"), "", *block(lines))
    return Part("world", "What there is at first", told, value)


def _others_part(judged: Sequence[Judged]) -> Part:
    cells = [
        (
            one.result.design,
            one.result.verdict,
            *(str(getattr(one.result, name)) for name in _HEADS[2:-1]),
            str(len(one.findings)),
        )
        for one in judged
    ]
    wide = [max(len(row[at]) for row in (_HEADS, *cells)) for at in range(len(_HEADS))]
    lines = [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, wide, strict=True)).rstrip() for row in (_HEADS, *cells)
    ]
    value = [
        {**dict(zip(_HEADS[:-1], row, strict=False)), "causes": [str(found.cause) for found in one.findings]}
        for row, one in zip(cells, judged, strict=True)
    ]
    told = [*prose("The same program under all designs."), "", *block(lines), "", *prose(NOTE), ""]
    told += gists([DESIGNS[one.result.design] for one in judged if one.result.design in DESIGNS])
    return Part("designs", "Other designs", tuple(told), value)


def _again_part(name: str, program: Program, finding: Finding, design: str) -> Part:
    """The text of the program, which is all that is needed, and the commands."""
    commands = [
        ["vmfuzz", "program", name, "--design", design],
        ["vmfuzz", "program", name, "--design", "all"],
        ["vmfuzz", "program", name, "--design", design, "--shrink", str(finding.cause)],
    ]
    here = [f"cat > {shlex.quote(name)} <<'END'", *program.text().splitlines(), "END"]
    here += [line for command in commands for line in shell_lines(command)]
    value = {"program": program.text(), "vmfuzz": [shlex.join(command) for command in commands]}
    return Part("again", "To see it again", tuple(block(here, "sh")), value)
