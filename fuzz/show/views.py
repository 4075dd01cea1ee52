"""The ways to look at a stream, each as lines or as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fuzz.show.options import OptionError
from fuzz.show.progress import Progress
from vmformat import StreamError
from vmformat.coverage import coverage
from vmformat.faults import every_fault
from vmformat.paths import find
from vmformat.render import hints
from vmformat.render.coverage import coverage_json, coverage_lines
from vmformat.render.faults import fault_table, placed
from vmformat.render.hexdump import hex_lines
from vmformat.render.json import closing, dump, matches_json, open_json
from vmformat.render.line import clean, plural
from vmformat.render.pieces import Pieces
from vmformat.render.ram import Ram
from vmformat.render.records import Records, end_of_stream
from vmformat.render.sizes import shares, size_lines
from vmformat.text import text_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.show.options import ShowOptions
    from fuzz.show.terminal import Output
    from vmformat import Schemas, Stream
    from vmformat.errors import Fault
    from vmformat.paths import Match
    from vmformat.render.line import Line


@dataclass(slots=True)
class View:
    """A stream, the schedule behind it, how they are to be looked at. `faults` are known when it has been printed."""

    options: ShowOptions
    stream: Stream
    schemas: Schemas | None
    machine: str | None = None
    schedule: tuple[str, ...] = ()
    faults: list[Fault] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = Progress(end_of_stream(self.stream))
        if self.options.view in {"ram", "faults"}:
            self._whole()

    def _whole(self) -> None:
        """Look at all of the RAM. Raises StreamError where that cannot be, unless damage is to be shown."""
        try:
            self.stream = self.stream.whole()
        except StreamError:
            if self.options.strict:
                raise

    def find(self) -> None:
        """Look up the paths asked for. Raises OptionError for one that finds nothing."""
        for pattern in self.options.paths:
            found = find(self.stream, pattern, self.schemas)
            if not found:
                raise OptionError(f"--path {pattern}: nothing in the stream has that name")
            self.matches += found

    def show(self, output: Output) -> None:
        """Print it."""
        try:
            self._show(output)
        finally:
            self.progress.done()

    def _show(self, output: Output) -> None:
        if self.options.json:
            for piece in self._json():
                output.write(piece)
            return
        match self.options.view:
            case "hex":
                self._hex(output)
            case "sizes":
                depth = self.options.depth or 0
                output.lines(size_lines(shares(self.stream, self.schemas, depth=depth), self.options.detail.limit))
            case "ram":
                ram = Ram(self.stream, self.schemas, self.progress)
                output.lines(ram.lines(self.options.detail.limit))
                self.faults += ram.faults
            case "coverage":
                output.lines(coverage_lines(coverage(self.stream, self.schemas)))
            case "text":
                output.text(text_lines(self.stream, self.schemas))
                self.faults = placed(every_fault(self.stream, self.schemas), self.stream)
                return
            case "faults":
                self.faults = placed(every_fault(self.stream, self.schemas), self.stream)
                output.lines(fault_table(self.faults))
                return
            case _:
                self._tree(output)
                return
        self._rest(output)

    def _watched(self, records: Records) -> Iterator[Line]:
        for line in records.lines():
            yield line
            self.progress(records.at)

    def _rest(self, output: Output) -> None:
        self.faults = placed([*self.faults, *every_fault(self.stream, self.schemas)], self.stream)
        if self.faults:
            output.lines([(), *fault_table(self.faults)])

    def _tree(self, output: Output) -> None:
        records = Records(self.stream, self.schemas, self.options.detail)
        if self.options.paths:
            output.lines(records.matches(self.matches))
            self._rest(output)
            return
        output.lines(self._watched(records))
        if self.schedule:
            output.lines([(("kind", "SCHEDULE"), ("plain", f" {plural(len(self.schedule), 'step')}"))])
            output.lines([(("plain", f"  {clean(step)}"),) for step in self.schedule])
        output.lines(hints(records.unknown, self.stream, machine=self.machine))
        self.faults = placed(records.faults, self.stream)
        if self.faults:
            output.lines([(), *fault_table(self.faults)])

    def _hex(self, output: Output) -> None:
        detail = self.options.detail
        pieces = Pieces(self.stream, self.schemas, detail)
        chosen = pieces.matching(self.matches) if self.options.paths else pieces.all()
        output.lines(hex_lines(chosen, output.width, fold=detail.fold))

    def _json(self) -> Iterator[str]:
        match self.options.view:
            case "sizes":
                parts = shares(self.stream, self.schemas, depth=self.options.depth or 0)
                yield f'{{"size": {sum(part.size for part in parts)}, "parts": [\n'
                yield ",\n".join(dump(part.to_json()) for part in parts)
                yield "\n]"
            case "ram":
                ram = Ram(self.stream, self.schemas, self.progress)
                yield from ram.json()
                self.faults += ram.faults
            case "coverage":
                yield dump(coverage_json(coverage(self.stream, self.schemas)))[:-1]
            case "faults":
                yield f'{{"size": {end_of_stream(self.stream)}'
            case _ if self.options.paths:
                yield from matches_json(self.matches, everything=self.options.all)
            case _:
                found: list[Fault] = []
                yield from open_json(self.stream, self.schemas, found, everything=self.options.all)
                self.faults = placed(found, self.stream)
                yield closing(self.faults)
                return
        self.faults = placed([*self.faults, *every_fault(self.stream, self.schemas)], self.stream)
        yield closing(self.faults)
