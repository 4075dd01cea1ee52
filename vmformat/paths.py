"""How people name what is in a stream: `virtio-net*/queue[2].desc`, `cpu@1/env.eip`, `#17/config[1].command`.

    PATTERN  = RECORD [ "/" FIELD ]
    RECORD   = "#" numbers joined by dots: the record's place, `#12.3` is record 3 of the package that is record 12
             | name [ "@" instance ] [ ":" kind ]: a section by its whole name or by what follows the last slash in it,
               `configuration`, or a command by its name (`PING`); kind is START, PART, END, FULL or COMMAND
    FIELD    = a path as `node` has it, or else the end of one that begins with a name

In names and fields `*` stands for any characters, `?` for one, `[*]` for any element, `[2..5]` for those from 2 to 5,
everything else for itself. Names of sections and subsections contain slashes themselves: of several ways to cut a
pattern in two the first that finds something counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from vmformat.command import Cmd, Command
from vmformat.configuration import Configuration
from vmformat.errors import StreamError
from vmformat.node import Node, join
from vmformat.section import Section
from vmformat.stream import package_records
from vmformat.tree import Structs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.records import Record
    from vmformat.schema import Schemas
    from vmformat.stream import Stream

Place: TypeAlias = tuple[int, ...]
"""Where a record stands: its number, and for records in a package that of the package before it. The configuration's
is `()`.
"""

_TOKEN: Final = re.compile(r"\[(\d+)\.\.(\d+)\]|\[\*\]|\*|\?|[^*?\[]+|\[")
_RECORD: Final = re.compile(
    r"(?P<name>.+?)(?:@(?P<instance>\d+))?(?::(?P<kind>START|PART|END|FULL|COMMAND))?", re.DOTALL
)
_INDEX: Final = re.compile(r"\[(\d+|\*|\d+\.\.\d+)\]")
_DEEPEST: Final = 16
"""Packages in packages deeper than this are not looked into: streams may nest them by the thousand."""


@dataclass(frozen=True)
class Match:
    """A node that a pattern found: in which record, where this stands, and the node's path in it."""

    place: Place
    record: Section | Command | Configuration
    path: str
    node: Node


def walk_records(stream: Stream, schemas: Schemas | None = None) -> Iterator[tuple[Place, Record]]:
    """All records with their places, those in packages behind their package; what cannot be read is passed over."""
    yield from _inside(stream, stream.records, (), schemas)


def _inside(
    stream: Stream, records: tuple[Record, ...], place: Place, schemas: Schemas | None
) -> Iterator[tuple[Place, Record]]:
    for i, record in enumerate(records):
        yield (*place, i), record
        if isinstance(record, Command) and record.cmd == Cmd.PACKAGED and len(place) < _DEEPEST:
            try:
                inner = package_records(stream, record, schemas)
            except StreamError:
                continue
            yield from _inside(stream, inner, (*place, i), schemas)


def find(stream: Stream, pattern: str, schemas: Schemas | None = None) -> list[Match]:
    """What a pattern finds, in stream order; without a field the whole trees of the records.

    Nodes inside a found one are not listed by themselves. Raises StreamError for a pattern that cannot be one.
    """
    candidates: list[tuple[Place, Section | Command | Configuration]] = [
        (place, record) for place, record in walk_records(stream, schemas) if isinstance(record, (Section, Command))
    ]
    if stream.configuration is not None:
        candidates.insert(0, ((), stream.configuration))
    cuts = [i for i, char in enumerate(pattern) if char == "/"]
    for cut in [*cuts, len(pattern)]:
        chosen = [item for item in candidates if fits(pattern[:cut], *item)]
        if not chosen:
            continue
        if cut == len(pattern):
            return [Match(place, record, "", record.tree) for place, record in chosen]
        field = FieldPattern(pattern[cut + 1 :])
        found = [Match(place, record, path, node) for place, record in chosen for path, node in field.find(record.tree)]
        if found:
            return found
    return []


def fits(text: str, place: Place, record: Section | Command | Configuration) -> bool:
    """Whether a pattern's first half means that record."""
    if text.startswith("#"):
        return ".".join(map(str, place)) == text[1:] and bool(place)
    if isinstance(record, Configuration):
        return re.fullmatch(glob(text), "configuration") is not None
    parts = _RECORD.fullmatch(text)
    if parts is None:
        return False
    kind = "COMMAND" if isinstance(record, Command) else record.kind.name
    if parts["kind"] not in {None, kind}:
        return False
    meant = re.compile(glob(parts["name"]), re.DOTALL)
    if isinstance(record, Command):
        return parts["instance"] is None and meant.fullmatch(record.name) is not None
    if parts["instance"] is not None and int(parts["instance"]) != record.instance:
        return False
    return any(meant.fullmatch(name) for name in (record.name, record.name.rpartition("/")[2]))


class FieldPattern:
    """The second half of a pattern."""

    def __init__(self, text: str) -> None:
        if not text:
            raise StreamError(0, text, "a field behind the slash", "nothing")
        self.text = text
        self._whole = self._compile(text)
        self._from_start = re.compile(glob(text), re.DOTALL)
        self._shape = self._compile(_INDEX.sub("[0]", text))

    @staticmethod
    def _compile(text: str) -> re.Pattern[str]:
        """At the start of the path, or where a name in it begins."""
        before = ".*" if text[0] in "[@" else r"(?:.*[.\]@])?"
        return re.compile(before + glob(text), re.DOTALL)

    def matches(self, path: str) -> bool:
        """Whether that path is meant."""
        return self._whole.fullmatch(path) is not None

    def find(self, tree: Node) -> Iterator[tuple[str, Node]]:
        """The outermost nodes below `tree` that are meant: those whose whole path is given, if there are any."""
        found = [match for child in tree.children for match in self._find(child, child.name)]
        return iter([match for match in found if self._from_start.fullmatch(match[0])] or found)

    def _find(self, node: Node, path: str) -> Iterator[tuple[str, Node]]:
        if self.matches(path):
            yield path, node
            return
        if isinstance(node.inner, Structs):
            # Thousands of elements of one shape: looked at only if the first one has something of that name.
            first = node.inner.at(node.offset, 0)
            if first is None or not any(
                self._shape.fullmatch(_INDEX.sub("[0]", inner)) for inner, _ in first.walk(path + first.name)
            ):
                return
        for child in node.children:
            yield from self._find(child, join(path, child.name))


def glob(text: str) -> str:
    """The regular expression of a glob."""
    parts = []
    for token in _TOKEN.finditer(text):
        piece = token[0]
        if token[1] is not None:
            low, high = int(token[1]), int(token[2])
            if high - low > 1 << 16:
                raise StreamError(0, text, "a range of at most 65536 elements", piece)
            parts.append(rf"\[(?:{'|'.join(map(str, range(low, high + 1)))})\]")
        elif piece == "[*]":
            parts.append(r"\[\d+\]")
        else:
            parts.append({"*": ".*", "?": "."}.get(piece) or re.escape(piece))
    return "".join(parts)
