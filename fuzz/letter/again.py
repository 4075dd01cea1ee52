"""The commands that show a finding again: in the model, made smaller, and with a real QEMU."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from fuzz.letter.letter import WIDEST, Part, block, prose
from fuzz.lives import OPTIONS
from fuzz.qemu import DEFAULT_BINARY, complete_arguments
from model import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fuzz.letter.case import Case

_STEP: Final = "    "


def again_part(case: Case) -> Part:
    """The part of the letter."""
    vmfuzz = _commands(case)
    lines = [
        *prose("The file is at the end of this. With vmfuzz, which needs no QEMU for it:"),
        "",
        *block((line for command in vmfuzz for line in shell_lines(command)), "sh"),
        "",
    ]
    if not case.shipped:
        text = (
            f"The machine is not among those that vmfuzz ships: `{case.machine_typed}` stands for its description, "
            "which `vmfuzz capture` makes of the command line below."
        )
        lines += [*prose(text), ""]
    real: list[str] = []
    if case.description.arguments:
        lines += prose(_real_words(case))
        real = qemu_command(case)
        lines += ["", *block(real, "sh")]
    return Part(
        "again", "To see it again", tuple(lines), {"vmfuzz": [shlex.join(command) for command in vmfuzz], "qemu": real}
    )


def _commands(case: Case) -> list[list[str]]:
    """Each as its words."""
    about = [case.subject.name, "--machine", case.machine_typed]
    how = ["--loadvm"] if case.loadvm else []
    meanwhile = ["--schedule", "; ".join(map(str, case.schedule))] if case.schedule else []
    beyond = [option for life, option in OPTIONS.items() if life in case.lives]
    design = [] if case.design is REFERENCE else ["--design", case.design_typed]
    load = ["vmfuzz", "load", *about, *how, *meanwhile, *beyond]
    commands = [
        [*load, *design, "--explain"],
        [*load, "--design", "all"],
        ["vmfuzz", "show", case.subject.name, "--machine", case.machine_typed],
    ]
    if not case.schedule:  # a step beside a stream is told to `shrink` by the JSON beside it
        cause = ["--cause", str(case.finding.cause)]
        commands.append(["vmfuzz", "shrink", *about, *how, *(design or ["--design", case.design.name]), *cause])
    if not case.schedule and not case.loadvm:
        commands.append(["vmfuzz", "confirm", *about])
        if design:
            commands.append(["vmfuzz", "confirm", *about, "--qemu", "YOUR-QEMU", *design])
    return commands


def _real_words(case: Case) -> str:
    version = f"QEMU {case.description.qemu}" if case.description.qemu else "the QEMU"
    if case.loadvm:
        return (
            f"The machine is that of {version} with these arguments. The stream is a snapshot: to be loaded there it "
            "must stand in the VM state of a qcow2 image."
        )
    return (
        f"The last of these, `--qemu YOUR-QEMU`, is for one that loads as `{case.design.name}` does. By hand, with "
        f"{version} as it is, whose `info mtree -f` and exit status may be looked at:"
        if case.design is not REFERENCE and not case.schedule
        else f"By hand, with {version} as it is:"
    )


def qemu_command(case: Case) -> list[str]:
    """The lines of a command that gives the stream to a real QEMU, each with as many options as it has room for."""
    arguments = list(complete_arguments(case.description.arguments))
    arguments += ["-S", "-monitor", "stdio"]
    if not case.loadvm:
        arguments += ["-incoming", f"exec:cat {shlex.quote(case.subject.name)}"]
    return shell_lines([DEFAULT_BINARY, *arguments])


def shell_lines(words: Sequence[str]) -> list[str]:
    """A command, on lines of at most `WIDEST` columns as far as its options allow."""
    lines, line = [], ""
    for option in _options(words):
        if line and len(line) + len(option) + 3 > WIDEST:
            lines.append(f"{line} \\")
            line = f"{_STEP}{option}"
        else:
            line = f"{line} {option}" if line else option
    return [*lines, line]


def _options(words: Sequence[str]) -> Iterator[str]:
    """Each option with its value, quoted."""
    at = 0
    while at < len(words):
        end = at + 1
        while end < len(words) and not words[end].startswith("-"):
            end += 1
        yield shlex.join(words[at:end])
        at = end
