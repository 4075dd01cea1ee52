"""`vmfuzz diff`: what differs between two streams, field by field."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.corpus import CorpusError
from fuzz.show.terminal import Output
from fuzz.streams import STDIN, is_image, machine_for, open_stream, path_of
from vmformat import StreamError
from vmformat.diff import Selector, diff, lines, summary, to_json
from vmformat.render.line import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.streams import Opened
    from vmformat.diff import Difference
    from vmformat.diff.words import Line
    from vmformat.render.line import Line as ShownLine
    from vmformat.render.line import Style

_MOST_FAULTS: Final = 8
_STYLES: Final[dict[str, Style]] = {
    "record": "kind",
    "field": "field",
    "old": "fault",
    "new": "value",
    "note": "note",
}


@dataclass(frozen=True, slots=True)
class DiffOptions:
    """The options, as typed. What they do is in the help of the command."""

    streams: tuple[str, str]
    machine: str | None = None
    paths: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    ram: bool = False
    json: bool = False
    pager: bool = True
    color: bool | None = None
    snapshots: tuple[str, ...] = ()


def run_diff(options: DiffOptions) -> int:
    """Print the differences.

    Exit status as diff(1): 0 none, 1 some, 2 when a stream cannot be used, with one line on stderr. A damaged stream is
    compared as far as it can be read, its faults are told, and the exit status is 2 unless both files are the same.
    """
    typed = options.streams[0]
    try:
        if options.streams == (STDIN, STDIN):
            return _unusable("only one of the streams can come from standard input")
        if len(options.snapshots) > len(options.streams):
            return _unusable("--snapshot: one for both streams, or one for each")
        # What is known of one stream's machine helps to read the other: mostly they are of the same.
        machine = options.machine or next(filter(None, map(machine_for, options.streams)), None)
        one = _open(options, 0, machine)
        typed = options.streams[1]
        other = _open(options, 1, machine)
        found = list(_chosen(options, one, other))
        with Output(colour=options.color, pager=options.pager and not options.json) as output:
            if options.json:
                _print_json(output, options, found, one, other)
            else:
                output.lines(_shown(options, found))
                output.lines(_faults(one, other) if found else ())
    except CorpusError as error:
        return _unusable(str(error))
    except StreamError as error:
        return _unusable(f"{typed}: {error}")
    except OSError as error:
        return _unusable(f"{typed}: {error.strerror or error}")
    damaged = [opened for opened in (one, other) if opened.damage is not None]
    if not damaged or not found:
        return 1 if found else 0
    said = [f"{opened.typed}: {opened.damage}" for opened in damaged]
    return _unusable("; ".join(said))


def _open(options: DiffOptions, which: int, machine: str | None) -> Opened:
    typed = options.streams[which]
    snapshot = options.snapshots[min(which, len(options.snapshots) - 1)] if options.snapshots else None
    if len(options.snapshots) == 1 and typed != STDIN and not is_image(path_of(typed)):
        snapshot = None  # it is the other one's
    return open_stream(typed, machine_for(typed, options.machine) or machine, snapshot)


def _unusable(why: str) -> int:
    sys.stderr.write(f"vmfuzz diff: {clean(why, 1000)}\n")
    return 2


def _chosen(options: DiffOptions, one: Opened, other: Opened) -> Iterator[Difference]:
    paths = [Selector(pattern) for pattern in options.paths]
    ignored = [Selector(pattern) for pattern in options.ignore]
    for difference in diff(one.stream, other.stream, one.schemas, other.schemas):
        if paths and not any(path.matches(difference) for path in paths):
            continue
        if not any(path.matches(difference) for path in ignored):
            yield difference


def _shown(options: DiffOptions, found: list[Difference]) -> Iterator[ShownLine]:
    if not found:
        return
    yield (("fault", f"--- {clean(options.streams[0], 300)}"),)
    yield (("value", f"+++ {clean(options.streams[1], 300)}"),)
    for line in lines(found, ram=options.ram):
        yield _styled(line)
    yield (("note", summary(found)),)


def _faults(one: Opened, other: Opened) -> Iterator[ShownLine]:
    """What is wrong with one of the streams and not with the other as well."""
    texts = [[str(fault) for fault in opened.stream.faults] for opened in (one, other)]
    for opened, mine, others in ((one, texts[0], set(texts[1])), (other, texts[1], set(texts[0]))):
        lonely = [text for text in mine if text not in others]
        for text in lonely[:_MOST_FAULTS]:
            yield ("note", f"{clean(opened.typed, 300)} is damaged: "), ("fault", clean(text, 300))
        if len(lonely) > _MOST_FAULTS:
            yield (("note", f"{clean(opened.typed, 300)}: and {len(lonely) - _MOST_FAULTS} more faults"),)


def _styled(line: Line) -> ShownLine:
    return tuple((_STYLES[style], clean(text, 1000)) for style, text in line)


def _print_json(output: Output, options: DiffOptions, found: list[Difference], one: Opened, other: Opened) -> None:
    """One object, a difference a line."""
    output.write('{"streams": ' + json.dumps(options.streams) + ', "differences": [')
    for i, difference in enumerate(found):
        output.write((",\n " if i else "\n ") + json.dumps(to_json(difference)))
    faults = [[str(fault) for fault in opened.stream.faults] for opened in (one, other)]
    output.write('\n], "faults": ' + json.dumps(faults) + "}\n")
