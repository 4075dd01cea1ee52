"""What a real QEMU does with the stream: only what was done, and by which program."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from fuzz.confirm import Against, hold
from fuzz.designs import UsageError
from fuzz.letter.letter import Part, escaped, prose
from fuzz.qemu import find_binary
from model import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.letter.case import Case
    from model import Design


def confirmed_part(case: Case, binary: str, patched: str | None) -> Part:
    """Load it in `binary`, which loads as the reference does, and in `patched`, which does as the design.

    Raises UsageError for what no program can be asked, and QemuError.
    """
    if case.schedule:
        raise UsageError("--confirm: a program cannot be told what others do meanwhile: the finding has a schedule")
    if case.loadvm:
        raise UsageError("--confirm: the finding is of a snapshot load, and only incoming migrations are confirmed")
    lines: list[str] = []
    value: list[dict[str, Any]] = []
    sides = [(binary, REFERENCE)]
    if patched is not None and case.design is not REFERENCE:
        sides.append((patched, case.design))
    for program, design in sides:
        told, held = _side(case, program, design)
        lines += told
        value.append(held)
    return Part("confirmed", "In a real QEMU", tuple(lines), value)


def _side(case: Case, program: str, design: type[Design]) -> tuple[list[str], dict[str, Any]]:
    path = find_binary(program)
    held = hold(case.machine, case.data, Against(design, path))
    seen = held.comparisons[0].other
    version = _version(path)
    way = "as it is" if design is REFERENCE else f"a program that is said to load as `{design.name}` does"
    text = f"{version}, {way}: {seen.verdict}" + (f", {seen.how}" if seen.how else "")
    compared = ", ".join(category.value for category in held.comparisons[0].compared)
    text += f". The model under `{design.name}` agrees in {compared}." if held.agrees else ". The model says otherwise:"
    lines = prose(escaped(text), "* ", "  ")
    for line in _shown(held.lines):
        lines += prose(escaped(line), "  * ", "    ")
    return lines, {"program": version, "design": design.name, **held.to_json()}


def _shown(lines: tuple[str, ...], most: int = 8) -> Iterator[str]:
    yield from lines[:most]
    if len(lines) > most:
        yield f"and {len(lines) - most} more"


def _version(path: str) -> str:
    """What the program calls itself, or else its name."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return path.rpartition("/")[2]
    return said.partition("\n")[0].strip() or path.rpartition("/")[2]
