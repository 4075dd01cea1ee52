"""`vmfuzz report`: one Markdown file about a finding, to be sent to a list."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from fuzz.atomic import write_atomic
from fuzz.corpus import CorpusError
from fuzz.designs import UsageError
from fuzz.letter import subject_of
from fuzz.letter.case import Asked, ModelRaised, stream_case
from fuzz.letter.confirmed import confirmed_part
from fuzz.letter.program import is_program, program_letter
from fuzz.letter.raised import ended_of, raised_letter
from fuzz.letter.roundtrip import roundtrip_letter
from fuzz.letter.stream import stream_letter
from fuzz.programs import ProgramError
from fuzz.qemu import DEFAULT_BINARY, QemuError
from fuzz.show.progress import Line
from fuzz.targets import memory, roundtrip
from model.schedule import ScheduleError

if TYPE_CHECKING:
    from fuzz.letter import Letter, Subject

STDOUT: Final = "-"


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What `vmfuzz report` was asked. `qemu`: a program that loads as the design does."""

    file: str
    asked: Asked
    output: str | None = None
    confirm: bool = False
    qemu: str | None = None
    as_json: bool = False


def run(options: ReportOptions) -> int:
    """Write the report. Exit status: 0, or 2 for something that cannot be used."""
    try:
        subject = subject_of(options.file)
        letter = _letter(options, subject)
        if options.as_json:
            print(json.dumps(letter.to_json(), indent=2))
            return 0
        if options.output == STDOUT:
            sys.stdout.write(letter.markdown())
            return 0
        path = Path(options.output or f"{subject.stem}.md")
        write_atomic(path, letter.markdown().encode())
    except (CorpusError, UsageError, ScheduleError, ProgramError, QemuError) as error:
        return _unusable(str(error))
    except OSError as error:
        return _unusable(f"{error.filename or options.output}: {error.strerror or error}")
    print(f"{path}: {letter.title}")
    return 0


def _letter(options: ReportOptions, subject: Subject) -> Letter:
    ended = ended_of(subject)
    if ended is not None:
        return raised_letter(subject, ended)
    if subject.target == roundtrip.NAME:
        return roundtrip_letter(subject, options.asked.machine)
    if subject.target == memory.NAME or is_program(subject):
        return program_letter(subject, options.asked)
    line = Line()
    try:
        case = stream_case(subject, options.asked, lambda name: line(lambda: f"loading under {name}"))
        more = []
        if options.confirm or options.qemu is not None:
            line(lambda: "loading in a real QEMU")
            more.append(confirmed_part(case, DEFAULT_BINARY, options.qemu))
    except ModelRaised as raised:
        return raised_letter(subject, raised)
    finally:
        line.done()
    return stream_letter(case, more)


def _unusable(line: str) -> int:
    Console(stderr=True, emoji=False).print(f"vmfuzz report: {line}", markup=False, highlight=False, soft_wrap=True)
    return 2
