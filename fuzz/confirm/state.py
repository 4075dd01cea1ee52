"""Device state, field by field: what a stream brought, and what a program saves again afterwards.

What a section brought is what would be saved again, but for fields that the model knows to be derived, rebuilt or
dependent on time: a device says so itself (`model.saved`), or the table of `model.devices.resaved` does.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from fuzz.confirm.side import ABSENT, UNKNOWN
from model.devices.resaved import not_kept
from model.saved import Brought, brought, parsed
from vmformat.pci import INSIDES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fuzz.confirm.side import Fields
    from model import Machine
    from model.machine import AnyHandler
    from vmformat import Leaf, Section


__all__ = ["Brought", "brought", "expected", "fields", "parsed", "saved_sections"]

_REPEATED = re.compile(r"#\d+")
"""What marks a subsection that came before: of several the last one counts."""

_SHPC = "shpc"
"""A field that is told register by register, and that the model says as a whole."""

_IMAGE = ".pixels[]"
"""An array that is compared as a whole: a row of an image, of a million elements of which nobody knows anything."""


def fields(section: Section) -> Mapping[str, object]:
    """All values of a section's payload by path; arrays element by element, the pixels of an image as bytes."""
    return _fields(section.leaves, section.payload)


@lru_cache(maxsize=32)
def _fields(leaves: tuple[Leaf, ...], payload: bytes) -> Mapping[str, object]:
    """Kept for the next one: of a stream that is loaded, saved and compared, most sections come again and again."""
    found: dict[str, object] = {}
    for leaf, paths, places in _told(leaves):
        order: Literal["little", "big"] = "little" if leaf.byteorder == "little" else "big"
        size = leaf.size if leaf.path[-len(_IMAGE) :] != _IMAGE else leaf.size * leaf.count
        pieces = [payload[at : at + size] for at in places]
        if leaf.type == "bool":
            found.update(zip(paths, [int(any(piece)) for piece in pieces], strict=True))
        elif leaf.integer and size == leaf.size:
            found.update(zip(paths, [int.from_bytes(piece, order) for piece in pieces], strict=True))
        else:
            found.update(zip(paths, pieces, strict=True))
    return found


@lru_cache(maxsize=64)
def _told(leaves: tuple[Leaf, ...]) -> tuple[tuple[Leaf, tuple[str, ...], tuple[int, ...]], ...]:
    """Leaves that are told, each with the paths of its values and where they stand."""
    found = []
    for leaf in leaves:
        path = _REPEATED.sub("", leaf.path)
        if path.endswith(_IMAGE):
            found.append((leaf, (path,), (leaf.offset,)))
        elif leaf.type not in {"unused_buffer", "unused"} and not path.endswith(("@version", "@more", "@end")):
            paths, places = zip(*_places(leaf, path), strict=True) if leaf.count else ((), ())
            found.append((leaf, paths, places))
    return tuple(found)


def _places(leaf: Leaf, path: str) -> Iterable[tuple[str, int]]:
    if leaf.count == 1 and not leaf.stride:
        return [(path, leaf.offset)]
    head, brackets, tail = path.partition("[]")
    if not brackets:
        return [(path, leaf.offset + index * leaf.stride) for index in range(leaf.count)]
    return [(f"{head}[{index}]{tail}", leaf.offset + index * leaf.stride) for index in range(leaf.count)]


def expected(
    loaded: Mapping[AnyHandler, Brought], saved: Mapping[tuple[str, int], Section]
) -> dict[tuple[str, int], tuple[Fields, Fields]]:
    """What the model says would be saved of the sections that were loaded, and what a program did save.

    A section whose bytes are those that were loaded is told as far as the device says something else of them.
    """
    result: dict[tuple[str, int], tuple[Fields, Fields]] = {}
    for handler, one in loaded.items():
        key = (handler.name, handler.instance)
        other = saved.get(key)
        same = other is not None and other.payload == one.section.payload
        if other is None or (same and not one.said):
            continue
        if _in_one_piece(one.section) or _in_one_piece(other):
            continue  # loaded, but no payload of its schema: what is a field of it nobody can tell
        theirs = fields(other)
        if same:
            mine = _said(one, theirs)
            result[key] = mine, {path: theirs[path] for path in mine if path in theirs}
        else:
            kept = _kept(handler.kind, one.section.leaves, one.section.payload, other.leaves, other.payload)
            result[key] = {**kept, **_said(one, kept)}, theirs
    return result


def _in_one_piece(section: Section) -> bool:
    """Whether a payload is none of its schema's, so that its fields cannot be told."""
    return [leaf.path for leaf in section.leaves] == ["payload"]


def _said(one: Brought, known: Mapping[str, object]) -> Fields:
    """What the device says of fields, those that are known."""
    mine: dict[str, object] = {}
    for path, value in one.said.items():  # some ten thousand
        told = ABSENT if value is None else value
        if path[-1] == "*":
            mine.update((found, told) for found in known if found.startswith(path[:-1]))
        elif isinstance(value, bytes) and path.rpartition(".")[2] == _SHPC:
            mine.update({f"{path}.{node.name}": node.value for node in INSIDES[_SHPC](value).expand(0)})
        else:
            mine[path] = told
    return mine


@lru_cache(maxsize=32)
def _kept(
    kind: str, leaves: tuple[Leaf, ...], payload: bytes, other_leaves: tuple[Leaf, ...], other_payload: bytes
) -> Fields:
    """What is saved again of a section that was loaded, as long as its device says nothing else."""
    theirs = _fields(other_leaves, other_payload)
    mine = dict(_fields(leaves, payload))
    if mine.keys() != theirs.keys():
        # Whether a subsection is written depends on the device's state, not on whether it was read.
        alone = [path for path in mine if path not in theirs] + [path for path in theirs if path not in mine]
        mine.update((path, UNKNOWN) for path in alone if "/" in path)
    for told in (leaves, other_leaves):
        mine.update(dict.fromkeys(_not_kept(kind, told), UNKNOWN))
    return mine


@lru_cache(maxsize=64)
def _not_kept(kind: str, leaves: tuple[Leaf, ...]) -> tuple[str, ...]:
    """Paths of values that are not saved again as they were loaded."""
    return tuple([path for _, paths, _ in _told(leaves) for path in paths if not_kept(kind, path)])


def saved_sections(data: bytes, machine: Machine) -> dict[tuple[str, int], Section] | None:
    """The device sections of a stream that a program wrote, by name and instance; None if it cannot be read.

    Devices that are registered under one name and instance (isa-ide is) write a section each; all are loaded into the
    first of them, so the first counts.
    """
    stream = parsed(data, machine)
    if stream is None:
        return None
    found: dict[tuple[str, int], Section] = {}
    for section in stream.sections:
        if section.kind.name == "FULL":
            found.setdefault((section.name, section.instance), section)
    return found
