"""What somebody gives to be shrunk: a stream, and from the JSON beside it all that is said of it there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fuzz.beside import DESCRIPTION, seen_from
from fuzz.campaign.findings import WITNESS
from fuzz.corpus import CorpusError
from fuzz.designs import UsageError, named_designs
from fuzz.schedules import scheduled
from fuzz.shrink.work import Case
from fuzz.streams import machine_for, path_of
from fuzz.targets.stream import NAME
from model import REFERENCE
from model.outcome import Cause
from model.schedule import ScheduleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from model import Design

STREAM: Final = ".vmstate"
JSON: Final = ".json"


@dataclass(frozen=True, slots=True)
class Given:
    """A case and what is asked of it. `path`: the stream's file.

    `causes`: those that it must go on showing under `design`; none: all that it shows. `designs`: those whose outcome
    its crasher tells. `notes`: what else the JSON of a crasher says.
    """

    path: Path
    case: Case
    machine: str
    design: type[Design]
    causes: tuple[str, ...]
    designs: tuple[type[Design], ...]
    loadvm: bool
    notes: Mapping[str, Any] = field(default_factory=dict)


def read_given(
    typed: str, machine: str | None, design: str | None, causes: Sequence[str], *, loadvm: bool = False
) -> Given:
    """A crasher (its stream or its JSON), a finding (its folder, witness or JSON), or any stream with what is typed.

    Raises UsageError, and OSError of files that cannot be read.
    """
    path, said = files_of(typed)
    if said.get("target", NAME) != NAME:
        raise UsageError(f"{typed}: a finding of the target {said['target']}: give its folder alone")
    try:
        data, schedule = scheduled(path, path.read_bytes())
    except ScheduleError as error:
        raise UsageError(f"{typed}: {error}") from None
    named = _text(typed, said, "machine")
    machine = machine or (seen_from(path.parent, named) if named else machine_for(typed))
    if machine is None:
        raise UsageError(f"--machine: not given, and {typed} names none as a crasher or NAME/after does")
    expect = said.get("expect", {})
    if not isinstance(expect, dict):
        raise UsageError(f"{typed}: expect must be an object of objects")
    asked = _parsed(tuple(causes) or causes_said(typed, said))
    chosen = _design(typed, design, asked, path.stem, expect)
    if not causes:
        asked = [cause for cause in asked if cause.design == chosen.name]
    for cause in asked:
        if cause.design != chosen.name:
            raise UsageError(f"--cause {cause}: is of another design than {chosen.name}")
    return Given(
        path,
        Case(data, schedule),
        machine,
        chosen,
        tuple(map(str, asked)),
        _known(expect, chosen) if expect else tuple(dict.fromkeys((REFERENCE, chosen))),
        loadvm or said.get("loadvm") is True,
        {key: value for key, value in said.items() if key in _notes(said)},
    )


def _parsed(causes: Sequence[str]) -> list[Cause]:
    try:
        return [Cause.parse(cause) for cause in dict.fromkeys(causes)]
    except ValueError as error:
        raise UsageError(f"--cause: {error}") from None


def _notes(said: Mapping[str, Any]) -> Iterable[str]:
    """The keys of a crasher that are nobody's but its author's; a finding's are about another stream."""
    return said.keys() - {"machine", "schedule", "expect", "loadvm", "cause"} if "expect" in said else ()


def files_of(typed: str) -> tuple[Path, dict[str, Any]]:
    """The file that is meant, and what the JSON beside it says. Raises UsageError."""
    path = Path(typed)
    if path.is_dir():
        path /= WITNESS
    elif path.suffix == JSON and path.is_file():
        path = path.with_name(WITNESS) if path.name == DESCRIPTION else path.with_suffix(STREAM)
    else:
        try:
            path = path_of(typed)
        except CorpusError as error:
            raise UsageError(str(error)) from None
    beside = path.with_name(DESCRIPTION) if path.name == WITNESS else path.with_suffix(JSON)
    if not beside.is_file():
        return path, {}
    try:
        said = json.loads(beside.read_bytes())
    except ValueError as error:
        raise UsageError(f"{beside}: {error}") from None
    if not isinstance(said, dict):
        raise UsageError(f"{beside}: expected an object")
    return path, said


def _text(typed: str, said: Mapping[str, Any], key: str) -> str | None:
    value = said.get(key)
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{typed}: {key} must be a string")
    return value


def causes_said(typed: str, said: Mapping[str, Any]) -> tuple[str, ...]:
    """The cause of a finding, or those that a crasher is kept for. Raises UsageError."""
    value = said.get("cause")
    found = [value] if isinstance(value, str) else value or []
    if not isinstance(found, list) or not all(isinstance(cause, str) for cause in found):
        raise UsageError(f"{typed}: cause must be a string or a list of them")
    return tuple(found)


def _known(expect: Mapping[str, Any], *more: type[Design]) -> tuple[type[Design], ...]:
    """The designs that a crasher tells of and that there are, in its order, and `more`."""
    found: list[type[Design]] = []
    for name in expect:
        try:
            found += named_designs((name,))
        except UsageError:
            continue
    return tuple(dict.fromkeys((*found, *more)))


def _design(
    typed: str, design: str | None, causes: Sequence[Cause], name: str, expect: Mapping[str, Any]
) -> type[Design]:
    """As named; else that of the causes if all are of one; else the one after which the crasher is called, or which
    alone finds.
    """
    if design is not None:
        found = named_designs((design,))
        if len(found) != 1:
            raise UsageError(f"--design {design}: takes exactly one design")
        return found[0]
    of_causes = list(dict.fromkeys(cause.design for cause in causes))
    showing = [one for one, said in expect.items() if isinstance(said, dict) and said.get("causes")]
    called = sorted((one for one in expect if name == one or name.startswith(f"{one}-")), key=len)
    for names in (of_causes, called[-1:], showing):
        if len(names) == 1:
            return named_designs(names)[0]
    for names in (of_causes, showing):
        if names:
            raise UsageError(f"--design: not given, and {typed} shows causes under {', '.join(names)}")
    raise UsageError(f"--design: not given, and {typed} names none that shows a cause")
