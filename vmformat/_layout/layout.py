"""A schema in one version, and what it measures in a payload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from vmformat._layout.fixed import LARGEST_BLANK, MOST_FAULTS, Cropped, Fixed, Run
from vmformat._layout.scope import Cut, Given, Misfit
from vmformat.errors import Fault, StreamError
from vmformat.node import Node, join

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmformat._layout.scope import Source
    from vmformat._layout.steps import Step
    from vmformat.node import Values
    from vmformat.schema import Field, Schema

SUBSECTION: Final = 0x05
"""The byte before a subsection's name."""


class Layout:
    """Steps over a payload: runs of fields of fixed size, and one step for each field that varies.

    `fixed`: its bytes, if always as many and never followed by a subsection. It is one `run` then.
    """

    __slots__ = ("fixed", "index", "lies", "musts", "name", "own", "run", "schema", "steps", "twice", "version")

    def __init__(self, schema: Schema, version: int, make: Callable[[Field], Fixed | Step], tail: Step | None) -> None:
        self.schema = schema
        self.version = version
        self.name = schema.name
        self.own = schema.name.encode()
        self.steps: list[Run | Step] = []
        self.index: dict[str, list[tuple[int, Fixed | None, int]]] = {}
        """Where a name stands: number of the step, in a run the field and its offset."""
        self.musts: list[Field] = []
        pending: list[Fixed] = []
        for field in schema.fields:
            if not field.exists(version):
                continue
            if field.type == "must exist":
                self.musts.append(field)
                continue
            made = make(field)
            if isinstance(made, Fixed):
                if field.when is not None:
                    self._add(pending)
                    pending = []
                    self._add([made])
                else:
                    pending.append(made)
            else:
                self._add(pending)
                pending = []
                self.index.setdefault(field.name, []).append((len(self.steps), None, 0))
                self.steps.append(made)
        self._add(pending)
        if tail is not None:
            self.steps.append(tail)
        for scan in [step for step in self.steps if type(step) is not Run and step.type == "subsections"][1:]:
            scan.again = True
        first = self.steps[0] if self.steps else None
        self.run = first if len(self.steps) == 1 and isinstance(first, Run) and first.when is None else None
        self.fixed = self.run.size if self.run is not None else 0 if not self.steps else None
        self.twice = any(len(places) > 1 for places in self.index.values())
        self.lies = bool(self.musts) or any(step.lies for step in self.steps)

    def _add(self, members: list[Fixed]) -> None:
        if members:
            run = Run(members)
            for fixed, at in zip(members, run.offsets, strict=True):
                self.index.setdefault(fixed.name, []).append((len(self.steps), fixed, at))
            self.steps.append(run)

    def read(
        self, source: Source, position: int, outer: Record | None, lead: Lead | None = None, whole: int | None = None
    ) -> Record:
        """Measure the payload at `position`. Raises Cut, whose `part` is the record of what could be read.

        `lead` is what stands before it that belongs to it; `whole` is where that begins.
        """
        record = Record(self, source, position if whole is None else whole, outer, lead)
        parts = record.parts
        try:
            for step in self.steps:
                when = step.when
                if when is not None and not when.holds(record.demand(when.field, position, step)):
                    parts.append(None)
                    continue
                if type(step) is Run:
                    end = step.read(source, position)
                    parts.append(position)
                    position = end
                else:
                    part, position = step.read(record, source, position)
                    parts.append(part)
        except Cut as cut:
            if cut.part is not None:
                parts.append(cut.part)
            record.end = cut.position
            cut.part = record
            raise
        record.end = position
        if self.fixed is None and not self.schema.raw:
            unknown = self.unknown(source, position)
            if unknown is not None:
                raise Cut(position, "", "a known subsection", unknown, record)
        return record

    def unknown(self, source: Source, position: int) -> str | None:
        """The name of a subsection here that is this vmsd's business, though it does not know it.

        QEMU refuses it (facts: stream.md 2.7). Behind fields of fixed size nobody looks but at a payload's end.
        """
        data = source.data
        if position + 2 > source.limit or data[position] != SUBSECTION or data[position + 1] <= len(self.own):
            return None
        end = position + 2 + data[position + 1]
        name = bytes(data[position + 2 : min(end, source.limit)])
        return name.decode("latin-1") if end <= source.limit and name.startswith(self.own) else None

    def values(self, data: bytes, position: int) -> dict[str, Values]:
        """The values of a payload of fixed size."""
        values: dict[str, Values] = {}
        if self.run is not None:
            self.run.fill(values, data, position)
        return values

    def write(self, values: Any, outer: Given | None, out: list[bytes], lead: int = 0, more: int | None = None) -> None:
        """Write the fields of `values`, of which `lead` are none of the schema's. Raises Misfit."""
        if not isinstance(values, Mapping):
            raise Misfit(f"no dict of fields but {type(values).__name__}")
        scope = Given(values, outer, more)
        written = lead
        for step in self.steps:
            when = step.when
            if when is not None:
                held = scope.number(when.field)
                if held is None:
                    raise Misfit(f"an earlier field {when.field!r}", step_name(step))
                if not when.holds(held):
                    continue
            written += step.write(values, out) if type(step) is Run else step.write(values, scope, out)
        if written != len(values) or self.twice:
            self._complain(values, scope)

    def _complain(self, values: Mapping[str, Any], scope: Given) -> None:
        """Raise Misfit if there is a value too many, or a field that stands twice where one value is."""
        rest = dict.fromkeys(values)
        for name in ("@version", "@more"):
            rest.pop(name, None)
        for step in self.steps:
            if step.when is not None and not step.when.holds(scope.number(step.when.field) or 0):
                continue
            for name in [fixed.name for fixed in step.members] if type(step) is Run else step.names(values):
                if name not in rest:
                    raise Misfit("no value at all", name)
                del rest[name]
        if rest:
            raise Misfit(f"unknown field {next(iter(rest))!r}")

    def blank(self, outer: Given | None) -> dict[str, Values]:
        """Values that are all zero."""
        values: dict[str, Values] = {}
        scope = Given(values, outer)
        for step in self.steps:
            when = step.when
            if when is not None and not when.holds(scope.number(when.field) or 0):
                continue
            if type(step) is Run:
                if step.size > LARGEST_BLANK:
                    raise StreamError(0, self.name, "fields of sane size", str(step.size))
                step.fill(values, bytes(step.size), 0)
            else:
                step.blank(values, scope)
        return values


def step_name(step: Run | Step) -> str:
    """The name of a step's only field."""
    return step.members[0].name if type(step) is Run else step.name


class Lead:
    """What stands before the fields of a record: a subsection's version, the number that announces an element."""

    __slots__ = ("name", "position", "type", "value", "width")

    def __init__(self, name: str, type_: str, position: int, width: int, value: int) -> None:
        self.name = name
        self.type = type_
        self.position = position
        self.width = width
        self.value = value


class Record:
    """A payload, or a struct in it, that has been measured: an `Inner` of nodes. `parts`: one for each step."""

    __slots__ = ("end", "layout", "lead", "outer", "parts", "position", "source")

    def __init__(self, layout: Layout, source: Source, position: int, outer: Record | None, lead: Lead | None) -> None:
        self.layout = layout
        self.source = source
        self.position = position
        self.outer = outer
        self.lead = lead
        self.parts: list[Any] = []
        self.end = position

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        mine, theirs = self.layout, other.layout
        return (
            self._bytes() == other._bytes()
            and mine.version == theirs.version
            and (mine is theirs or mine.schema == theirs.schema)
        )

    def __hash__(self) -> int:
        return hash(self._bytes())

    def _bytes(self) -> bytes:
        return bytes(self.source.data[self.position : self.end])

    def __repr__(self) -> str:
        return f"<{self.layout.name}: {self.end - self.position} bytes>"

    @property
    def inner(self) -> tuple[Node, ...] | Record:
        """This, or an empty tuple if there is nothing in it."""
        return self if self.lead is not None or any(part is not None and part != [] for part in self.parts) else ()

    def expand(self, _offset: int) -> tuple[Node, ...]:
        """The nodes of the fields that are there."""
        source = self.source
        nodes: list[Node] = []
        lead = self.lead
        if lead is not None:
            nodes.append(Node(lead.name, lead.type, source.base + lead.position, lead.width, lead.value))
        for step, part in zip(self.layout.steps, self.parts, strict=False):
            if part is None:
                continue
            if type(step) is not Run:
                step.nodes(self, part, nodes)
            elif type(part) is Cropped:
                nodes += part.nodes(step, source)
            else:
                step.nodes(source, part, nodes)
        return tuple(nodes)

    def at(self, _offset: int, _index: int) -> Node | None:
        """Nothing here is called by a number."""
        return None

    def values(self) -> dict[str, Values]:
        """The values of the fields that are there."""
        values: dict[str, Values] = {}
        lead = self.lead
        if lead is not None and not (lead.value == 1 and lead.name == "@more"):
            values[lead.name] = lead.value
        data = self.source.data
        for step, part in zip(self.layout.steps, self.parts, strict=False):
            if part is None:
                continue
            if type(step) is not Run:
                step.values(self, part, values)
            elif type(part) is Cropped:
                for node in part.nodes(step, self.source):
                    values[node.name] = node.values()
            else:
                step.fill(values, data, part)
        return values

    def number(self, name: str) -> int | None:
        """The integer field that `name` means here: of this record, else of those around it (rules: `schema`)."""
        scope: Record | None = self
        while scope is not None:
            value = scope.reach(name)
            if value is not None:
                return value
            lead = scope.lead
            if lead is not None and lead.name == name == "@more":
                return lead.value
            scope = scope.outer
        return None

    def demand(self, name: str, position: int, step: Run | Step) -> int:
        """As `number`; raises Cut if there is none."""
        found = self.number(name)
        if found is None:
            raise Cut(position, step_name(step), f"an earlier field {name!r}", "none")
        return found

    def reach(self, name: str) -> int | None:
        """The integer field called `name` in this record, as far as it has been read."""
        places = self.layout.index
        for number, fixed, at in reversed(places.get(name, ())):
            if number < len(self.parts) and self.parts[number] is not None:
                if fixed is None or type(self.parts[number]) is Cropped:
                    break
                value = fixed.number(self.source.data, self.parts[number] + at)
                if value is not None:
                    return value
                break
        dot = name.find(".")
        while dot >= 0:
            for number, fixed, at in reversed(places.get(name[:dot], ())):
                if number < len(self.parts) and (part := self.parts[number]) is not None:
                    rest = name[dot + 1 :]
                    if fixed is None:
                        step = self.layout.steps[number]
                        reached = None if type(step) is Run else step.inside(part, rest)
                    else:
                        reached = None if type(part) is Cropped else fixed.inside(self.source, part + at, rest)
                    if reached is not None:
                        return reached
                    break
            dot = name.find(".", dot + 1)
        return None

    def check(self, path: str, faults: list[Fault]) -> None:
        """Add what QEMU would refuse in what has been read."""
        if not self.layout.lies or len(faults) >= MOST_FAULTS:
            return
        for step, part in zip(self.layout.steps, self.parts, strict=False):
            if part is None or not step.lies or type(part) is Cropped:
                continue
            if type(step) is Run:
                step.check(self.source, part, path, faults)
            else:
                step.check(self, part, path, faults)
        for field in self.layout.musts:
            if field.when is None:
                continue
            held = self.number(field.when.field)
            if held is not None and not field.when.holds(held):
                faults.append(Fault(self._place(field.when.field), join(path, field.when.field), field.name, str(held)))

    def _place(self, name: str) -> int:
        """The offset of a field of this record, or of its end."""
        for number, fixed, at in self.layout.index.get(name, ()):
            if fixed is not None and number < len(self.parts) and type(self.parts[number]) is int:
                place: int = self.source.base + self.parts[number] + at
                return place
        return self.source.base + self.end
