"""The RAM in a stream: blocks, how much of each is there, and where which pages are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vmformat.errors import StreamError
from vmformat.paths import walk_records
from vmformat.records import Span
from vmformat.render.fields import offset_text
from vmformat.render.json import block_json, dump, run_json
from vmformat.render.line import clean, plural, size
from vmformat.render.pages import Block, RamReader, RamSummary, Run
from vmformat.section import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmformat.errors import Fault
    from vmformat.records import Record
    from vmformat.render.line import Line
    from vmformat.schema import Json, Schemas
    from vmformat.stream import Stream

_WIDEST: Final = 40


class Ram:
    """Walks the ram sections of a stream once. `told` is called with how far it is (an offset in the stream)."""

    def __init__(
        self, stream: Stream, schemas: Schemas | None = None, told: Callable[[int], None] | None = None
    ) -> None:
        self.stream = stream
        self.schemas = schemas
        self.found = RamSummary()
        self._told = told

    @property
    def faults(self) -> list[Fault]:
        """What was wrong with what was walked so far."""
        return self.found.faults

    def items(self) -> Iterator[Block | Run | Fault]:
        """Blocks and runs of pages, in stream order."""
        reader = RamReader()
        for _, record in walk_records(self.stream, self.schemas):
            for section in self._sections(record):
                for item in reader.walk(section):
                    self.found.add(item)
                    yield item
                if self._told is not None:
                    self._told(section.payload_offset + len(section.buffer))

    def _sections(self, record: Record) -> Iterator[Section]:
        """The ram sections that a record is, or those in a stretch that nobody has looked at."""
        found: tuple[Record, ...] = (record,)
        if isinstance(record, Span):
            try:
                found = record.records()
            except StreamError as error:
                self.found.add(error.fault)
        yield from (one for one in found if isinstance(one, Section) and one.is_ram)

    def lines(self, limit: int | None = None) -> Iterator[Line]:
        """Everything. `limit`: runs that are listed of each block, the first ones; None for all."""
        runs: dict[str | None, list[Run]] = {}
        left: dict[str | None, int] = {}
        for item in self.items():
            if isinstance(item, Run):
                kept = runs.setdefault(item.block, [])
                if limit is None or len(kept) < limit:
                    kept.append(item)
                else:
                    left[item.block] = left.get(item.block, 0) + 1
        yield from self._table()
        for block, kept in runs.items():
            yield ()
            yield (("name", _name(block)),)
            yield (("head", f"{'offset':10}  {'address':25}  {'pages':>8}  kind"),)
            for run in kept:
                yield (
                    ("offset", offset_text(run.offset)),
                    ("value", f"  {f'{run.address:#x}..{run.end - 1:#x}':25}"),
                    ("plain", f"  {run.pages:>8}  "),
                    ("field", run.kind),
                )
            if block in left:
                yield (("note", f"{'':10}  and {plural(left[block], 'run')} more (--all lists them)"),)

    def _table(self) -> Iterator[Line]:
        found = self.found
        pages = found.by_block()
        blocks = {block.name: block for block in found.blocks}
        names = list(dict.fromkeys([*blocks, *pages]))
        kinds = list(dict.fromkeys(kind for counts in pages.values() for kind in counts))
        width = min(max([len(_name(name)) for name in names] + [5]), _WIDEST)
        titles = "".join(f"  {kind:>10}" for kind in kinds)
        yield (("head", f"{'block':{width}}  {'size':>10}{titles}  {'in stream':>10}"),)
        for name in names:
            block = blocks.get(name) if name is not None else None
            counts = "".join(f"  {pages.get(name, {}).get(kind, 0):>10}" for kind in kinds)
            held = sum(count for (block_, _), count in found.sizes.items() if block_ == name)
            told = size(block.length) if block is not None else "unknown"
            address = "" if block is None or block.address is None else f" at {block.address:#x}"
            yield (
                ("name", f"{_name(name):{width}}"),
                ("value", f"  {told:>10}"),
                ("plain", counts),
                ("value", f"  {size(held):>10}"),
                ("note", address),
            )
        total = "".join(f"  {sum(counts.get(kind, 0) for counts in pages.values()):>10}" for kind in kinds)
        length = sum(block.length for block in blocks.values())
        yield (("head", f"{'total':{width}}  {size(length):>10}{total}  {size(sum(found.sizes.values())):>10}"),)

    def json(self) -> Iterator[str]:
        """`{"runs": [...], "blocks": [...]`, a run a line, in pieces, not closed yet."""
        yield '{"runs": ['
        first = True
        for item in self.items():
            if isinstance(item, Run):
                yield f"{'' if first else ','}\n{dump(run_json(item))}"
                first = False
        blocks: list[Json] = [block_json(block) for block in self.found.blocks]
        yield f'\n], "blocks": {dump(blocks)}'


def _name(block: str | None) -> str:
    return "(no block)" if block is None else clean(block)
