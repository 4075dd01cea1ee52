"""`vmfuzz generate`: a machine's default stream, made from its description alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from fuzz.atomic import write_atomic
from fuzz.corpus import CorpusError, find_machine
from model import DescriptionError, parse
from model.default_stream import default_stream
from vmformat import StreamError, write

if TYPE_CHECKING:
    from pathlib import Path


def generate(machine: str, output: Path, console: Console | None = None) -> int:
    """Write the stream. Exit status: 0, or 2 when the machine or the place cannot be used, in one line."""
    try:
        files = find_machine(machine)
        stream = default_stream(parse(files.description.read_bytes()))
        data = write(stream)
    except CorpusError as error:
        return _unusable(str(error))
    except (DescriptionError, StreamError) as error:
        return _unusable(f"machine {machine}: {error}")
    except OSError as error:
        return _unusable(f"machine {machine}: {error.strerror or error}")
    try:
        write_atomic(output, data)
    except OSError as error:
        return _unusable(f"{output}: {error.strerror or error}")
    console = console or Console(emoji=False)
    line = f"{output}: {len(stream.sections)} sections, {len(data)} bytes"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _unusable(why: str) -> int:
    Console(stderr=True, emoji=False).print(f"vmfuzz generate: {why}", markup=False, highlight=False, soft_wrap=True)
    return 2
