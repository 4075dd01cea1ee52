"""What vmformat promises of any bytes, as functions of bytes that give the promises broken.

`quick` holds on every input: nothing but StreamError comes out of the strict reader and nothing at all out of the
tolerant one, both write back what they read and agree where both read, and every payload that is wholly named is made
again of its values. `thorough` takes ten times as long: nodes tile their bytes and no two side by side share a name,
the text form gives the same bytes, and whatever shows, counts or compares a stream does so. `memory` measures.

The soak runs them by the million, the tests over mutants and growing hostile streams.
"""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.targets.situations import bucket, message_kind
from vmformat import Command, Configuration, Section, StreamError, encode, every_fault, read, write
from vmformat.coverage import coverage
from vmformat.diff import diff
from vmformat.iterable.payloads import encode_records
from vmformat.leaves import find_leaves
from vmformat.paths import walk_records
from vmformat.render import json_pieces, lines
from vmformat.text import bytes_from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.engine.target import Feature
    from vmformat import Node, Schemas, Stream

MEMORY_BASE: Final = 64 << 20
MEMORY_FACTOR: Final = 40
"""Reading and showing takes at most MEMORY_BASE + MEMORY_FACTOR times the input, in bytes."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that an input breaks: which one, and how, in a line."""

    law: str
    text: str


class Laws:
    """The promises, of streams whose sections have these schemas unless they describe themselves."""

    def __init__(self, schemas: Schemas | None = None) -> None:
        self._schemas = schemas

    def quick(self, data: bytes, features: list[Feature]) -> Iterator[Broken]:
        """The promises that are cheap to hold an input to; what it showed goes into `features`."""
        strict: Stream | None = None
        try:
            strict = read(data, self._schemas)
        except StreamError as error:
            features.append(("refused", message_kind(error.expected)))
        tolerant = read(data, self._schemas, tolerant=True)
        if (written := write(tolerant)) != data:
            yield Broken("tolerant", _first_difference(data, written))
        if strict is not None:
            features.append(("accepted", bucket(len(strict.records))))
            if (written := write(strict)) != data:
                yield Broken("write", _first_difference(data, written))
            if strict != tolerant:
                yield Broken(
                    "agree", f"{len(strict.records)} records read strictly, {len(tolerant.records)} tolerantly"
                )
        # Paths of frames hold sections' names, which may be any bytes: a new one is nothing new.
        features.extend(("fault", message_kind(fault.expected)) for fault in tolerant.faults)
        for record in tolerant.records:
            features.append(("record", type(record).__name__))
            if isinstance(record, Section):
                yield from _payload(record, features)

    def thorough(self, data: bytes) -> Iterator[Broken]:
        """The other promises."""
        stream = read(data, self._schemas, tolerant=True)
        for _, record in walk_records(stream, self._schemas):
            if isinstance(record, Section | Command):
                yield from _tree(record)
        if stream.configuration is not None:
            yield from _tree(stream.configuration)
        if (again := bytes_from_text(to_text(stream))) != data:
            yield Broken("text", _first_difference(data, again))
        for _ in lines(stream, self._schemas):
            pass
        for _ in json_pieces(stream, self._schemas):
            pass
        faults = every_fault(stream, self._schemas)
        if any(not 0 <= fault.offset <= len(data) for fault in faults):
            yield Broken("fault", f"a fault outside of {len(data)} bytes: {faults}")
        if any(not 0 <= device.named <= device.size for device in coverage(stream, self._schemas)):
            yield Broken("coverage", "more bytes named than there are")
        if differences := list(diff(stream, stream)):
            yield Broken("diff", f"a stream differs from itself: {differences[0]}")
        for section in stream.sections:
            if section.name != "ram":
                yield from _leaves(section)

    def memory(self, data: bytes) -> Iterator[Broken]:
        """Whether reading and looking at everything stays within the bound."""
        tracemalloc.start()
        try:
            stream = read(data, self._schemas, tolerant=True)
            for section in stream.sections:
                for _ in section.decoded().walk():
                    pass
            for _ in lines(stream, self._schemas):
                pass
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        if peak > MEMORY_BASE + MEMORY_FACTOR * len(data):
            yield Broken("memory", f"{peak} bytes for an input of {len(data)}")


def _payload(section: Section, features: list[Feature]) -> Iterator[Broken]:
    """A payload that is wholly named is made again of its values."""
    tree, fault = section.read_payload()
    if fault is not None:
        features.append(("payload", message_kind(fault.expected), min(fault.path.count("."), 8), "[" in fault.path))
        return
    if section.layout is not None:
        again = encode(section.layout, tree.values(), section.version)
    elif tree.name in {"ram", "dirty-bitmap", "block"} and not isinstance(tree.inner, tuple):
        again = encode_records(section.name, tree.values(), section.context)
    else:
        return
    if again != section.payload:
        yield Broken("encode", f"{_kind(section.name)}: {_first_difference(section.payload, again)}")


def _tree(record: Section | Command | Configuration) -> Iterator[Broken]:
    """Nodes lie in their parents, one behind the other, and no two children of one node share a name."""
    for path, node in record.tree.walk():
        yield from _tiles(node, path)


def _tiles(node: Node, path: str) -> Iterator[Broken]:
    at = node.offset
    children = node.children
    if len({child.name for child in children}) < len(children):
        yield Broken("names", f"{path}: two children of one name")
    for child in children:
        if child.offset < at or child.end > node.end:
            yield Broken("tiles", f"{path}.{child.name} at {child.offset}, {child.size} bytes, is not behind {at}")
            return
        at = child.end
    if children and node.value is None and at != node.end:
        yield Broken("tiles", f"{path}: {node.end - at} bytes behind the last child")


def _leaves(section: Section) -> Iterator[Broken]:
    """Leaves lie in the payload; of arrays in arrays they do not come in the order of their bytes."""
    try:
        found = () if section.layout is None else find_leaves(section.layout, section.payload, section.version)
    except StreamError:
        return
    for leaf in found:
        end = leaf.offset + (leaf.count - 1) * leaf.stride + leaf.size
        if leaf.offset < 0 or end > len(section.buffer):
            yield Broken("leaves", f"{leaf.path} at {leaf.offset} ends at {end} of {len(section.buffer)} bytes")
            return


def _kind(name: str) -> str:
    return name.rpartition("/")[2][:40]


def _first_difference(one: bytes, other: bytes) -> str:
    pairs = enumerate(zip(one, other, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
    return f"first difference at {at:#x}, {len(one)} bytes and {len(other)}"
