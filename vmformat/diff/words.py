"""Differences as lines for people and as values for programs."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from vmformat.edit.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vmformat.diff.difference import Difference
    from vmformat.schema import Json

Style: TypeAlias = Literal["record", "field", "old", "new", "note"]
Line: TypeAlias = tuple[tuple[Style, str], ...]
"""Pieces of text, each with what it is."""

_ELEMENT: Final = re.compile(r"(.*)\[(\d{1,9})\]", re.DOTALL)
_WIDEST: Final = 72
_MOST_RUNS: Final = 4


def lines(differences: Iterable[Difference], *, ram: bool = False) -> Iterator[Line]:
    """A line for each difference, below the record that it is in. `ram`: every run of pages, not the first few."""
    for record, group in groupby(differences, key=lambda difference: (difference.kind == "ram", difference.record)):
        found = list(group)
        if record[0]:
            yield from _ram_lines(found, everything=ram)
            continue
        whole = [one for one in found if one.kind == "record"]
        head: list[tuple[Style, str]] = [("record", record[1])]
        head += map(_whole, whole)
        yield tuple(head)
        for one in _folded([one for one in found if one.kind != "record"]):
            yield (("note", "  "), *_piece(one))


def _folded(found: list[Difference]) -> Iterator[Difference]:
    """Elements that only one side has, one after the other, in one line."""
    run: list[Difference] = []
    for one in found:
        if run and not _follows(run[-1], one):
            yield from _run(run)
            run = []
        run.append(one)
    yield from _run(run)


def _follows(one: Difference, other: Difference) -> bool:
    if (one.what, one.text, one.old, one.new) != (other.what, other.text, None, None) or not one.text:
        return False
    first, second = _ELEMENT.fullmatch(one.path), _ELEMENT.fullmatch(other.path)
    return first is not None and second is not None and first[1] == second[1] and int(first[2]) + 1 == int(second[2])


def _run(run: list[Difference]) -> Iterator[Difference]:
    first = _ELEMENT.fullmatch(run[0].path) if len(run) > 2 else None
    if first is None:
        yield from run
        return
    last = int(first[2]) + len(run) - 1
    yield replace(run[0], path=f"{first[1]}[{first[2]}..{last}]", text=f"{len(run)} elements, each of {run[0].text}")


def _whole(one: Difference) -> tuple[Style, str]:
    if one.what == "moved":
        return "note", f"  moved, {one.text}"
    if one.what == "dropped":
        return "old", f"  dropped: {one.text}"
    return "new", f"  added: {one.text}"


def _piece(one: Difference) -> Line:
    path = one.path or "its bytes"
    if one.text and one.kind == "bytes":
        return (("note", one.text),)
    if one.kind == "vmdescription":
        style: Style = "old" if one.what == "dropped" else "new" if one.what == "added" else "note"
        return (("field", one.path or "all of it"), ("note", f" {one.what}: "), (style, one.text))
    if one.what == "changed":
        if isinstance(one.old, bytes) and isinstance(one.new, bytes):
            return _bytes(path, one.old, one.new)
        type_, _, other = one.type.partition(" -> ")
        old, new = _short(shown(one.old, type_)), _short(shown(one.new, other or type_))
        kind: Line = (("note", f" ({one.type})"),) if other else ()
        return (("field", path), *kind, ("note", ": "), ("old", old), ("note", " -> "), ("new", new))
    value = one.old if one.what == "dropped" else one.new
    text = one.text if value is None else _short(shown(value, one.type))
    return (("field", path), ("note", f" {one.what}: "), ("old" if one.what == "dropped" else "new", text))


def _bytes(path: str, old: bytes, new: bytes) -> Line:
    """Two buffers: whole if they are short, else from the first byte that differs."""
    one, other = shown(old), shown(new)
    where: Line = ()
    if len(one) > _WIDEST or len(other) > _WIDEST:
        at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
        sizes = "" if len(old) == len(new) else f", {len(old)} and {len(new)} bytes"
        where = (("note", f" from {at:#x} on{sizes}"),)
        one, other = (_short(data[at : at + 32].hex() or "nothing") for data in (old, new))
    return (("field", path), *where, ("note", ": "), ("old", one), ("note", " -> "), ("new", other))


def _short(value: str) -> str:
    return value if len(value) <= _WIDEST else f"{value[:_WIDEST]}..."


def _ram_lines(found: list[Difference], *, everything: bool) -> Iterator[Line]:
    yield (("record", "ram"),)
    for one in found:
        if not one.path.endswith("]"):
            yield (("note", "  "), *_piece(one))
    runs = [one for one in found if one.path.endswith("]")]
    for (block, what), group in groupby(runs, key=lambda one: (one.path.rpartition("[")[0], one.what)):
        listed = list(group)
        if everything:
            for one in listed:
                yield (("note", "  "), ("field", one.path), ("note", f": {one.text} {_differ(one.what, _count(one))}"))
            continue
        yield from _some_runs(block, what, listed)


def _count(one: Difference) -> int:
    """Pages of a run."""
    return int(one.text.partition(" ")[0])


def _some_runs(block: str, what: str, listed: list[Difference]) -> Iterator[Line]:
    pages = sum(map(_count, listed))
    first = ", ".join(one.path.rpartition("[")[2][:-1] for one in listed[:_MOST_RUNS])
    more = f" and {len(listed) - _MOST_RUNS} more places" if len(listed) > _MOST_RUNS else ""
    count = f"{pages} pages" if pages > 1 else "1 page"
    style: Style = "old" if what == "dropped" else "new" if what == "added" else "note"
    yield (
        ("note", "  "),
        ("field", block or "no block"),
        ("note", ": "),
        (style, f"{count} {_differ(what, pages)}"),
        ("note", f" at {first}{more}"),
    )


def _differ(what: str, pages: int) -> str:
    differ = "differ" if pages > 1 else "differs"
    return {"added": "only in the second", "dropped": "only in the first"}.get(what, differ)


def to_json(one: Difference) -> dict[str, Json]:
    """A difference as plain values; bytes are hexadecimal text."""
    result: dict[str, Json] = {"kind": one.kind, "what": one.what, "record": one.record}
    if one.place:
        result["place"] = ".".join(map(str, one.place))
    result |= {key: text for key, text in (("path", one.path), ("type", one.type), ("text", one.text)) if text}
    result |= {key: _plain(value) for key, value in (("old", one.old), ("new", one.new)) if value is not None}
    return result


def _plain(value: object) -> Json:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, int | str) else str(value)


def summary(differences: Iterable[Difference]) -> str:
    """How much differs, in words."""
    counts: Counter[str] = Counter()
    records: set[tuple[str, object]] = set()
    for one in differences:
        if one.kind in {"field", "head", "configuration", "header"}:
            records.add((one.record, one.place))
        counts[_SUMMARY.get(one.kind, one.what if one.kind == "record" else "field")] += 1
    parts = []
    for what, count in sorted(counts.items(), key=lambda item: (item[0] != "field", item[0] in _SUMMARY.values())):
        if what == "field":
            parts.append(f"{_many(count, 'field')} in {_many(len(records), 'record')}")
        elif what in _SUMMARY.values():
            parts.append(_many(count, what))
        else:
            parts.append(f"{_many(count, 'record')} {what}")
    return ", ".join(parts) or "no difference"


def _many(count: int, what: str) -> str:
    first, _, rest = what.partition(" ")
    return f"{count} {first}{'s' if count != 1 else ''}{' ' if rest else ''}{rest}"


_SUMMARY: Final = {"ram": "place in RAM", "vmdescription": "difference of the VMDESCRIPTION", "bytes": "piece of bytes"}
