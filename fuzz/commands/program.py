"""`vmfuzz program`: programs of memory-API calls under designs, what each call did and what is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from fuzz.designs import UsageError, for_programs, named_designs
from fuzz.programs import Judge, Judged, Program, ProgramError, decode, from_text, shrink
from model.designs import DESIGNS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from model.designs import Design

_COUNTS: Final = ("rebuilds", "forced", "reads", "needed", "harmful")
_PLAIN: Final[dict[str, Any]] = {"markup": False, "highlight": False, "soft_wrap": True}


def program(
    paths: Sequence[Path], names: Sequence[str], cause: str | None, *, as_json: bool, console: Console | None = None
) -> int:
    """Run them. Exit status: 0 nothing found, 1 findings, 2 a file, design or cause that cannot be used, in a line."""
    console = console or Console(emoji=False)
    try:
        designs = named_designs(names or ("all",))
        for_programs(designs)
        programs = [(path, read_program(path)) for path in paths]
        if cause is not None:
            for path, one in programs:
                console.print(_shrunk(path, one, designs, cause).text(), end="", **_PLAIN)
            return 1
        judge = Judge(designs)
        judged = [(path, one, judge.judge(one)) for path, one in programs]
    except (UsageError, ProgramError) as error:
        Console(stderr=True, emoji=False).print(f"vmfuzz program: {error}", **_PLAIN)
        return 2
    wanted = {design.name for design in designs}
    if as_json:
        console.print_json(json.dumps([_document(path, one, results, wanted) for path, one, results in judged]))
    elif len(judged) == 1:
        _one(judged[0][1], judged[0][2], wanted, console)
    else:
        _many([results for _, _, results in judged], wanted, console)
    return int(any(one.findings for _, _, results in judged for one in results if one.result.design in wanted))


def read_program(path: Path) -> Program:
    """The program in a file: text that begins with `world` or a comment, or else bytes. Raises ProgramError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProgramError(f"{path}: {error.strerror or error}") from None
    if data.lstrip()[:6] == b"world " or data.lstrip()[:1] == b"#":
        try:
            return from_text(data.decode())
        except (ProgramError, UnicodeDecodeError) as error:
            raise ProgramError(f"{path}: {error}") from None
    return decode(data)


def _shrunk(path: Path, one: Program, designs: Sequence[type[Design]], cause: str) -> Program:
    judge = Judge([design for design in designs if design.name == cause.partition("/")[0]])

    def keeps(candidate: Program) -> bool:
        found = (str(finding.cause) for side in judge.judge(candidate) for finding in side.findings)
        return cause in found

    if not keeps(one):
        raise UsageError(f"--shrink {cause}: {path} does not show it")
    return shrink(one, keeps)


def _document(path: Path, one: Program, results: Sequence[Judged], wanted: set[str]) -> dict[str, Any]:
    return {
        "file": str(path),
        "program": one.text().splitlines(),
        "outcomes": [
            {
                "design": side.result.design,
                "verdict": side.result.verdict,
                **{name: getattr(side.result, name) for name in _COUNTS},
                "findings": [
                    {"kind": found.kind, "cause": str(found.cause), "text": found.text} for found in side.findings
                ],
            }
            for side in results
            if side.result.design in wanted
        ],
    }


def _one(one: Program, results: Sequence[Judged], wanted: set[str], console: Console) -> None:
    """Each call with what happened at it, if one design is wanted; then a table."""
    shown = [side for side in results if side.result.design in wanted]
    lines = shown[0].result.log if len(shown) == 1 else one.text().splitlines()[1:]
    console.print(f"world {one.world}", **_PLAIN)
    for line in lines:
        console.print(line, **_PLAIN)
    _many([results], wanted, console)
    for side in shown:
        for found in side.findings:
            console.print(f"{found.cause}\n    {found.text}", **_PLAIN)


def _many(judged: Sequence[Sequence[Judged]], wanted: set[str], console: Console) -> None:
    """Sums over all programs, a row for each design."""
    heads = ("ended", "died", "aborted", *_COUNTS, "causes")
    wide = max(map(len, (*DESIGNS, *wanted)))
    console.print(f"{'design':<{wide}}  {'  '.join(heads)}", **_PLAIN)
    for sides in zip(*judged, strict=True):
        if sides[0].result.design not in wanted:
            continue
        verdicts = [side.result.verdict for side in sides]
        causes = {str(found.cause) for side in sides for found in side.findings}
        sums = [sum(getattr(side.result, name) for side in sides) for name in _COUNTS]
        ways = [verdicts.count(verdict) for verdict in ("ended", "died", "aborted")]
        values = zip(heads, (*ways, *sums, len(causes)), strict=True)
        cells = "  ".join(f"{value:>{len(head)}}" for head, value in values)
        console.print(f"{sides[0].result.design:<{wide}}  {cells}", **_PLAIN)
