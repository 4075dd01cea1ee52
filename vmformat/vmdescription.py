"""The VMDESCRIPTION: the JSON at a stream's end in which the source says what it sent (facts: stream.md 1.8, 3.3, 3.5).

The loader never looks at it; readers of streams live by it. It describes one run of the source: what was not sent (an
absent subsection, an empty list, an array of no elements) leaves no trace. `_KNOWN` adds what is known about a few
vmsds; `dump_vmstate` adds what QEMU tells about itself.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from vmformat.errors import StreamError
from vmformat.schema import INTEGERS, SIGNED_LIMIT, Count, Field, Schema, When

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from vmformat.source import Source

_AER_ERROR: Final = Schema(
    "PCIE_AER_ERROR",
    1,
    1,
    (
        Field("status", "uint32"),
        Field("source_id", "uint16"),
        Field("flags", "uint16"),
        Field("header", "uint32", count=4),
        Field("prefix", "uint32", count=4),
    ),
)

_KNOWN: Final[Mapping[tuple[str, str], tuple[Field, ...]]] = {
    # (vmsd, the field they follow): fields that a description may not show.
    ("ide_drive", "identify_set"): (Field("identify_data", "buffer", 512, when=When("identify_set")),),
    ("PCIE_AER_ERROR_LOG", "log_max"): (
        Field("log_num <= log_max", "must exist", when=When("log_num", at_most=8)),
        Field("log", "struct", count=Count("log_num"), struct=_AER_ERROR),
    ),
    ("hpet", "num_timers"): (
        Field("num_timers in range", "must exist", when=When("num_timers", at_most=2, invert=True)),
        Field("num_timers in range", "must exist", when=When("num_timers", at_most=32)),
    ),
}

_WHEN: Final[Mapping[tuple[str, str], When]] = {
    # Fields that an earlier one calls for; a description shows them when they were sent, as if they always were.
    ("ide_drive", "identify_data"): When("identify_set"),
}

_COUNTED: Final[Mapping[tuple[str, str], Count]] = {
    # Arrays whose length an earlier field tells; a description shows the length they had.
    ("PCIE_AER_ERROR_LOG", "log"): Count("log_num"),
    ("hpet", "timer"): Count("num_timers"),
}

_MINIMUM: Final[Mapping[str, int]] = {"timer": 1, "cpu": 11, "ide": 0}
# Minimum versions other than the version itself, of vmsds that `-dump-vmstate` does not show.

_SINCE: Final[Mapping[tuple[str, str], int]] = {
    ("timer", "cpu_clock_offset"): 2,
    ("cpu", "env.xcr0"): 12,
    ("cpu", "env.xstate_bv"): 12,
    ("cpu", "env.xmm_regs[1]"): 12,
    ("ide", "bus"): 1,
    ("ide", "bus[0].ifs"): 3,
    ("ide", "bus[1].ifs"): 3,
    ("isa-ide", "bus"): 1,
    ("isa-ide", "bus.ifs"): 3,
}
# Versions of their fields. These and the above were tried on QEMU 7.2.22 with sections of older versions.

_LITERAL: Final = frozenset({("cpu", "env.cr")})
# Fields of arrays' elements: their names end in an index that QEMU prints, not in an ordinal.

_PAGE_SIZE: Final = re.compile(rb'[{,] ?"page_size": ?(\d{1,9})[,}]')
_DEEPEST: Final = 48
# Structs in structs: QEMU's own go down to 6. Whoever walks a schema calls himself for each level.

_MARKS: Final = (b'{"page_size"', b'{"configuration"')


class _Pairs(list[tuple[str, "_Value"]]):
    """A JSON object whose keys may repeat."""

    def get(self, key: str) -> _Value:
        return next((value for name, value in self if name == key), None)


_Item = TypeVar("_Item")
_Value: TypeAlias = "_Pairs | list[_Value] | str | int | float | bool | None"


def find(data: Source) -> tuple[int, int] | None:
    """Where the JSON begins and ends, if a stream has one: the last that its record's length fits into the data."""
    # Each mark is looked for by itself, so that the data are passed over only once for each.
    found = {mark: data.rfind(mark) for mark in _MARKS}
    while True:
        mark = max(found, key=found.__getitem__)
        start = found[mark]
        if start < 0:
            return None
        if start >= 5 and data[start - 5] == 0x06:
            stop = start + int.from_bytes(data[start - 4 : start], "big")
            if start < stop <= len(data):
                return start, stop
        found[mark] = data.rfind(mark, 0, start + len(mark) - 1)


def page_size(text: bytes) -> int | None:
    """The page size that a description begins with (before 8.2 it is the first key), None if there is none."""
    told = _PAGE_SIZE.search(text)
    return None if told is None else int(told[1])


def parse(text: bytes, offset: int = 0) -> dict[tuple[str, int], Schema]:
    """The schemas of all sections described, by (section name, instance), in stream order.

    Equal schemas are one object. A description does not tell minimum and field versions: but for a few vmsds `minimum`
    is the version itself and `since` is 0. Raises StreamError; `offset` is where the text stands in the stream.
    """
    return _Parser(offset).devices(text)


class _Parser:
    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.interned: dict[Schema, Schema] = {}
        self.depth = 0

    def devices(self, text: bytes) -> dict[tuple[str, int], Schema]:
        try:
            top = json.loads(text, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError) as problem:
            found = str(problem) if isinstance(problem, ValueError) else "too deep a nesting"
            raise StreamError(self.offset, "vmdescription", "JSON", found) from None
        result: dict[tuple[str, int], Schema] = {}
        devices = self.as_object(top, "vmdescription").get("devices")
        for item in self.as_list(devices, "vmdescription.devices"):
            device = self.as_object(item, "vmdescription.devices")
            name = self.text(device, "name", "vmdescription.devices")
            instance = self.number(device, "instance_id", name)
            if device.get("vmsd_name") is None:
                schema = Schema(name, 0, 0, self.fields(device, name, name), raw=True)
            else:
                schema = self.schema(device, name)
            result.setdefault((name, instance), self.intern(schema))
        return result

    def intern(self, schema: Schema) -> Schema:
        return self.interned.setdefault(schema, schema)

    def schema(self, obj: _Pairs, path: str) -> Schema:
        name = self.text(obj, "vmsd_name", path)
        version = self.number(obj, "version", path)
        if self.depth == _DEEPEST:
            raise StreamError(self.offset, path, f"at most {_DEEPEST} structs in structs", "more")
        self.depth += 1
        fields = self.fields(obj, name, path)
        subs: dict[str, list[Schema]] = {}
        for item in self.as_list(obj.get("subsections") or [], path):
            sub = self.schema(self.as_object(item, path), path)
            subs.setdefault(sub.name, []).append(sub)
        self.depth -= 1
        merged = tuple(_fold(found, merge) for found in subs.values())
        return Schema(name, version, _MINIMUM.get(name, version), fields, merged)

    def fields(self, obj: _Pairs, vmsd: str, path: str) -> tuple[Field, ...]:
        result: list[Field] = []
        group: list[Field] = []
        for item in self.as_list(obj.get("fields") or [], path):
            described = self.as_object(item, path)
            field = self.field(described, path)
            index = described.get("index")
            if group and (index is None or index != len(group) or field.name != group[0].name):
                result += _array(group)
                group = []
            if index is None:
                result.append(field)
            else:
                group.append(field)
        result += _array(group)
        return _refined(vmsd, result)

    def field(self, obj: _Pairs, path: str) -> Field:
        name = self.text(obj, "name", path)
        path = f"{path}.{name}"
        type_ = self.text(obj, "type", path)
        size = self.number(obj, "size", path)
        count = self.number(obj, "array_len", path) if obj.get("array_len") is not None else None
        if type_ == "struct":
            inner = self.as_object(obj.get("struct"), path)
            if not inner:  # a null pointer where a struct could be
                return Field(name, "nullptr", count=count) if size == 1 else Field(name, "buffer", size, count)
            return Field(name, type_, count=count, struct=self.intern(self.schema(inner, path)))
        if type_ in {"tmp", "vstruct"}:
            struct = self.intern(self.schema(obj, path))
            return Field(
                name, type_, count=count, struct=struct, version=struct.version if type_ == "vstruct" else None
            )
        if type_ in {"qtailq", "qlist"}:
            return Field(name, type_, count=count, struct=self.element(obj, path))
        if type_ == "gtree":  # key and value are not told apart: only its size is of use
            return Field(name, "buffer", size, count)
        if type_ == "uint64" and size == 1:
            type_ = "nullptr"
        known = INTEGERS.get(type_)
        if known is not None:
            return Field(name, type_, 0, count) if known[1] == size else Field(name, "buffer", size, count)
        return Field(name, type_, 0 if type_ == "pci irq state" else size, count)

    def element(self, obj: _Pairs, path: str) -> Schema | None:
        """What a list consists of: the keys of each element stand in the list's object, one after the other."""
        one = _Pairs()
        elements: list[_Pairs] = []
        for key, value in obj:
            if key == "vmsd_name":
                one = _Pairs()
                elements.append(one)
            one.append((key, value))
        schemas = [self.schema(element, path) for element in elements]
        if not schemas:
            return None
        return self.intern(_fold(schemas, merge))

    def as_object(self, value: object, path: str) -> _Pairs:
        if not isinstance(value, _Pairs):
            raise StreamError(self.offset, path, "a JSON object", type(value).__name__)
        return value

    def as_list(self, value: object, path: str) -> list[_Value]:
        if not isinstance(value, list) or isinstance(value, _Pairs):
            raise StreamError(self.offset, path, "a JSON list", type(value).__name__)
        return value

    def text(self, obj: _Pairs, key: str, path: str) -> str:
        value = obj.get(key)
        if not isinstance(value, str):
            raise StreamError(self.offset, path, f"a string {key}", repr(value))
        return value

    def number(self, obj: _Pairs, key: str, path: str) -> int:
        value = obj.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2 * SIGNED_LIMIT:
            raise StreamError(self.offset, path, f"a number {key}", repr(value))
        return value


def _array(group: list[Field]) -> list[Field]:
    """Elements described one by one, as one field if they are of one kind."""
    if not group:
        return []
    if not all(_alike(group[0], element) for element in group[1:]):
        return [replace(f, name=f"{f.name}[{i}]", label=f.plain_name) for i, f in enumerate(group)]
    return [replace(_fold(group, _merge_field), count=len(group))]


def _fold(items: list[_Item], join: Callable[[_Item, _Item], _Item]) -> _Item:
    """All of them made into one, neighbours first: what is merged grows, and must not be gone through for each."""
    items = list(dict.fromkeys(items))
    while len(items) > 1:
        pairs = [join(first, second) for first, second in zip(items[::2], items[1::2], strict=False)]
        items = pairs + items[len(pairs) * 2 :]
    return items[0]


def _refined(vmsd: str, fields: list[Field]) -> tuple[Field, ...]:
    names = {field.name for field in fields}
    result: list[Field] = []
    for field in fields:
        count = _COUNTED.get((vmsd, field.name), field.count)
        label = field.name if (vmsd, field.plain_name) in _LITERAL else field.label
        since = _SINCE.get((vmsd, field.name), 0)
        when = _WHEN.get((vmsd, field.name), field.when)
        if (count, label, since, when) != (field.count, field.label, 0, field.when):
            field = replace(field, count=count, label=label, since=since, when=when)
        result.append(field)
        result += [known for known in _KNOWN.get((vmsd, field.name), ()) if known.name not in names]
    return tuple(result)


def merge(first: Schema, second: Schema, better: Collection[str] = ()) -> Schema:
    """Two descriptions of one vmsd made into one: the subsections of both, lists known from either.

    Where their fields differ in kind, those of `first` stand, but for the subsections named in `better`: `second` has
    seen these, and `first` has only heard of them.
    """
    fields = first.fields
    if len(fields) == len(second.fields) and all(_alike(a, b) for a, b in zip(fields, second.fields, strict=True)):
        fields = tuple(_merge_field(a, b, better) for a, b in zip(fields, second.fields, strict=True))
    subs = {sub.name: sub for sub in first.subsections}
    for sub in second.subsections:
        known = sub.name in subs and sub.name not in better
        subs[sub.name] = merge(subs[sub.name], sub, better) if known else sub
    merged = replace(first, fields=fields, subsections=tuple(subs.values()))
    return first if merged == first else merged


def _alike(a: Field, b: Field) -> bool:
    if replace(a, struct=None) != replace(b, struct=None):
        return False
    if a.struct is None or b.struct is None:
        return a.struct is b.struct or a.type in {"qtailq", "qlist"}
    return (
        a.struct.name == b.struct.name
        and a.struct.version == b.struct.version
        and len(a.struct.fields) == len(b.struct.fields)
        and all(map(_alike, a.struct.fields, b.struct.fields))
    )


def _merge_field(a: Field, b: Field, better: Collection[str] = ()) -> Field:
    if a.struct is None or b.struct is None:
        return replace(a, struct=a.struct or b.struct)
    return replace(a, struct=merge(a.struct, b.struct, better))
