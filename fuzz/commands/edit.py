"""`vmfuzz edit`: fields, sections and records of a stream changed, what depends on them following."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from rich.console import Console
from rich.text import Text

from fuzz.atomic import write_pieces
from fuzz.corpus import CorpusError, find_stream
from fuzz.streams import STDIN, Opened, is_image, open_stream, schemas_for
from vmformat import Section, StreamError
from vmformat.edit import Drop, Duplicate, Insert, apply, parse_edit, parse_move, split_target
from vmformat.edit.description import Description
from vmformat.edit.mover import Mover
from vmformat.edit.records import Slots
from vmformat.render.line import clean
from vmformat.text import TextError, from_text, records_from_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vmformat import Stream
    from vmformat.edit import Change, Edit

_MOST_ROWS: Final = 40
_WIDEST: Final = 60


@dataclass(frozen=True, slots=True)
class EditOptions:
    """The options, as typed. What they do is in the help of the command."""

    arguments: tuple[str, ...]
    output: str | None = None
    in_place: bool = False
    raw: bool = False
    machine: str | None = None
    from_text: str | None = None
    drop: tuple[str, ...] = ()
    duplicate: tuple[str, ...] = ()
    move: tuple[str, ...] = ()
    insert: tuple[str, ...] = ()
    insert_text: tuple[str, ...] = ()
    json: bool = False
    snapshot: str | None = None


class UsageError(Exception):
    """Options that cannot be used, in one line."""


def edit(options: EditOptions) -> int:
    """Make the edits and write the stream. Exit status: 0, or 2 with one line on stderr and nothing written."""
    typed = options.from_text or (options.arguments[0] if options.arguments else "")
    try:
        opened, texts = _opened(options)
        target = _target(options, opened)
        edits = _edits(options, texts, opened)
        stream, changes = apply(opened.stream, edits, opened.schemas, raw=options.raw)
        _report(options, opened, target, changes, _write(target, stream.pieces()))
    except (UsageError, CorpusError) as error:
        return _unusable(str(error))
    except TextError as error:
        return _unusable(str(error))
    except StreamError as error:
        return _unusable(f"{typed}: {error}")
    except UnicodeDecodeError:
        return _unusable(f"{typed}: expected a text, found bytes that are none")
    except OSError as error:
        return _unusable(f"{error.filename or typed}: {error.strerror or error}")
    return 0


def _unusable(why: str) -> int:
    sys.stderr.write(f"vmfuzz edit: {clean(why, 1000)}\n")
    return 2


def _opened(options: EditOptions) -> tuple[Opened, tuple[str, ...]]:
    """The stream to edit, and the edits that were typed."""
    if options.from_text is None:
        if not options.arguments:
            raise UsageError("no stream given")
        opened = open_stream(options.arguments[0], options.machine, options.snapshot)
        return opened, options.arguments[1:]
    text = _text(options.from_text)
    schemas = schemas_for(options.machine)
    stream = from_text(text, schemas, name=options.from_text)
    path = None if options.from_text == STDIN else Path(options.from_text)
    return Opened(options.from_text, stream, schemas, path), options.arguments


def _text(typed: str) -> str:
    data = sys.stdin.buffer.read() if typed == STDIN else Path(typed).read_bytes()
    return data.decode("utf-8")


def _target(options: EditOptions, opened: Opened) -> Path | None:
    """Where the result goes; None is standard output."""
    if options.in_place:
        if options.output is not None or opened.path is None or options.from_text is not None:
            raise UsageError("--in-place takes a stream in a file, and no --output")
        if is_image(opened.path):
            raise UsageError("--in-place: a snapshot is not written back into its image")
        return opened.path
    if options.output is None:
        raise UsageError("no --output given (`-o -` writes to standard output, --in-place to the stream itself)")
    if options.output == STDIN:
        return None
    target = Path(options.output)
    if opened.path is not None and target.exists() and target.samefile(opened.path):
        raise UsageError(f"{options.output}: is what is read; use --in-place to overwrite it")
    return target


def _edits(options: EditOptions, texts: Sequence[str], opened: Opened) -> list[Edit]:
    edits: list[Edit] = [parse_edit(text) for text in texts]
    edits += [Duplicate(pattern) for pattern in options.duplicate]
    edits += [_insert(text, options) for text in options.insert]
    edits += [_insert_text(text, opened) for text in options.insert_text]
    edits += [parse_move(text) for text in options.move]
    edits += [Drop(pattern) for pattern in options.drop]
    return edits


def _insert(text: str, options: EditOptions) -> Insert:
    """`FILE:PATTERN`, and where to: names of files and patterns may have colons in them."""
    what, side, target = split_target(text)
    for at in [i for i, char in enumerate(what) if char == ":"]:
        try:
            find_stream(what[:at])
        except CorpusError:
            continue
        other = open_stream(what[:at], options.machine)
        stream = other.stream.whole()
        slots = Slots(stream, other.schemas)
        mover = Mover([Drop(what[at + 1 :])], stream, other.schemas)
        records = tuple(slots.at(place).record for place in mover.resolved[0][1])
        return Insert(records, side, target, _described(stream, records), what[:at])
    raise UsageError(f"--insert {text}: expected FILE:PATTERN and a stream of that name, found none")


def _described(stream: Stream, records: Sequence[object]) -> tuple[str, ...]:
    """What the other stream's VMDESCRIPTION says of its records."""
    description = Description.of(stream.trailing)
    if description is None:
        return ()
    known = dict(zip(reversed(description.keys), reversed(description.entries), strict=True))
    return tuple(known.get((r.name, r.instance), "") if isinstance(r, Section) else "" for r in records)


def _insert_text(text: str, opened: Opened) -> Insert:
    what, side, target = split_target(text)
    return Insert(records_from_text(_text(what), opened.schemas, name=what), side, target, (), what)


def _write(target: Path | None, pieces: Iterable[bytes | memoryview]) -> int:
    """Write them, a file all or nothing. How many bytes it were."""
    try:
        if target is None:
            return _into(sys.stdout.buffer, pieces)
        if target.exists() and not target.is_file():  # a pipe or a device
            with target.open("wb") as file:
                return _into(file, pieces)
        mode = target.stat().st_mode & 0o7777 if target.exists() else None
        size = write_pieces(target, pieces)
        if mode is not None:
            target.chmod(mode)
    except OSError as error:
        raise UsageError(f"{target or 'standard output'}: {error.strerror or error}") from None
    return size


def _into(file: BinaryIO, pieces: Iterable[bytes | memoryview]) -> int:
    size = sum(file.write(piece) for piece in pieces)
    file.flush()
    return size


def _report(options: EditOptions, opened: Opened, target: Path | None, changes: Sequence[Change], size: int) -> None:
    """What was done; not into the stream, when that goes to standard output."""
    out = sys.stdout if target is not None else sys.stderr
    if options.json:
        listed = [{"record": c.record, "path": c.path, "old": c.old, "new": c.new} for c in changes]
        out.write(json.dumps({"output": str(target or STDIN), "size": size, "changes": listed}) + "\n")
        return
    console = Console(file=out, highlight=False, emoji=False)
    for line in _lines(changes[:_MOST_ROWS]):
        console.print(line, soft_wrap=True)
    if len(changes) > _MOST_ROWS:
        console.print(f"and {len(changes) - _MOST_ROWS} more changes", markup=False)
    console.print(f"{target or 'standard output'}: {size} bytes", markup=False, soft_wrap=True)
    faults = opened.stream.faults
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        said = f"{opened.typed} is damaged: {clean(str(faults[0]), 300)}{more}"
        console.print(said, markup=False, soft_wrap=True)


def _lines(changes: Sequence[Change]) -> Iterator[Text]:
    """A table: path, old and new, below the record that they are in."""
    paths = max((len(change.path) for change in changes if change.path), default=0)
    olds = max((len(_short(change.old)) for change in changes if change.path), default=0)
    record = ""
    for change in changes:
        if not change.path:
            yield Text.assemble((clean(change.record, 200), "cyan"), " ", change.new)
            record = ""
            continue
        if change.record != record:
            record = change.record
            yield Text(clean(record, 300), "cyan")
        old, new = clean(_short(change.old), 200), clean(_short(change.new), 200)
        path = f"  {clean(change.path, 300):<{paths}}  "
        if change.old:
            yield Text.assemble(path, (f"{old:<{olds}}", "red"), " -> ", (new, "green"))
        else:
            yield Text.assemble(path, new)


def _short(value: str) -> str:
    return value if len(value) <= _WIDEST else f"{value[:_WIDEST]}... ({len(value)} characters)"
