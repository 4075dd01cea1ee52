"""`vmfuzz show`: a stream as a tree of named fields."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from fuzz.corpus import CorpusError, find_machine, find_stream
from model import DescriptionError, parse, section_schemas
from vmformat import StreamError, read
from vmformat.render import lines, to_json

if TYPE_CHECKING:
    from vmformat import Schemas

_RECORD: Final = re.compile(r"^(0x[0-9a-f]+) (\S+)(.*)$")
_FIELD: Final = re.compile(r"^(\s+)(0x[0-9a-f]+)? ?(\S.*?)( = )(.*)$")


def show(stream: str, machine: str | None = None, *, as_json: bool = False, console: Console | None = None) -> int:
    """Print the tree. Exit status: 0, or 2 when the stream or the machine cannot be used, in one line."""
    try:
        path = find_stream(stream)
        schemas = _schemas(stream, machine)
        parsed = read(path.read_bytes(), schemas)
        if as_json:
            json.dump(to_json(parsed, schemas), sys.stdout, indent=2)
            sys.stdout.write("\n")
            return 0
        console = console or Console(highlight=False)
        if console.is_terminal:
            for line in lines(parsed, schemas):
                console.print(_coloured(line), soft_wrap=True)
        else:
            console.file.writelines(f"{line}\n" for line in lines(parsed, schemas))
    except (CorpusError, StreamError, DescriptionError) as error:
        return _unusable(stream, error)
    except OSError as error:
        return _unusable(stream, error.strerror or error)
    return 0


def _unusable(stream: str, why: object) -> int:
    line = str(why) if isinstance(why, CorpusError) else f"{stream}: {why}"
    Console(stderr=True).print(f"vmfuzz show: {line}", markup=False, highlight=False, soft_wrap=True)
    return 2


def _schemas(stream: str, machine: str | None) -> Schemas | None:
    """Schemas of the machine named, or of the one that a stream typed NAME/after belongs to, if there is one."""
    owner, _, moment = stream.rpartition("/")
    if machine is None and not (owner and moment in {"before", "after"}):
        return None
    try:
        files = find_machine(machine or owner)
    except CorpusError:
        if machine is not None:
            raise
        return None
    return section_schemas(parse(files.description.read_bytes()))


def _coloured(line: str) -> Text:
    record = _RECORD.match(line)
    if record is not None:
        return Text.assemble((record[1], "dim"), " ", (record[2], "bold cyan"), (record[3], "bold"))
    field = _FIELD.match(line)
    if field is not None:
        return Text.assemble(
            field[1], (field[2] or "", "dim"), " " if field[2] else "", field[3], field[4], (field[5], "green")
        )
    return Text(line)
