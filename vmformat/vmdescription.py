"""The VMDESCRIPTION: the JSON at a stream's end in which the source says what it sent (facts: stream.md 1.8, 3.3, 3.5).

The loader never looks at it; readers of streams live by it. It describes one run of the source: what was not sent (an
absent subsection, an empty list, an array of no elements) leaves no trace. `_KNOWN` adds what is known about a few
vmsds; `dump_vmstate` adds what QEMU tells about itself.
"""

from __future__ import annotations

import marshal
import re
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast

from vmformat._description import Devices, Repeated, Value
from vmformat._layout.compile import layout
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

_REFINED: Final = frozenset(vmsd for table in (_KNOWN, _WHEN, _COUNTED, _SINCE, _LITERAL) for vmsd, _ in table)

_PAGE_SIZE: Final = re.compile(rb'[{,] ?"page_size": ?(\d{1,9})[,}]')
_DEEPEST: Final = 48
# Structs in structs: QEMU's own go down to 6. Whoever walks a schema calls himself for each level.

_MARKS: Final = (b'{"page_size"', b'{"configuration"')


_Item = TypeVar("_Item")
_Object: TypeAlias = "dict[str, Value]"


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

    Schemas that are described in equal words are one object. A description does not tell minimum and field versions:
    but for a few vmsds `minimum` is the version itself and `since` is 0. Raises StreamError; `offset` is where the text
    stands in the stream.
    """
    return _Parser(offset).devices(text)


class _Parser:
    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.interned: dict[bytes, Schema] = {}
        self.leaves: dict[tuple[str, str, int, int | None], Field] = {}
        self.depth = 0

    def devices(self, text: bytes) -> dict[tuple[str, int], Schema]:
        result: dict[tuple[str, int], Schema] = {}
        try:
            found = Devices(text.decode("utf-8", "surrogatepass"))
            for device, name, instance, made in found:
                if made is None:
                    key, schema = self.device(device)
                    if not schema.raw:
                        found.remember(schema)
                else:
                    key, schema = (name, instance), cast("Schema", made)
                    self.ranged(instance, "instance_id", name)
                result.setdefault(key, schema)
        except (ValueError, RecursionError) as problem:
            said = str(problem) if isinstance(problem, ValueError) else "too deep a nesting"
            raise StreamError(self.offset, "vmdescription", "JSON", said) from None
        if not found.is_object:
            self.as_object(found.other, "vmdescription")
        self.as_list(found.other, "vmdescription.devices")
        return result

    def device(self, value: object) -> tuple[tuple[str, int], Schema]:
        """The key and the schema of one device."""
        device = self.as_object(value, "vmdescription.devices")
        name = self.text(device, "name", "vmdescription.devices")
        instance = self.number(device, "instance_id", name)
        if device.get("vmsd_name") is None:
            return (name, instance), Schema(name, 0, 0, self.fields(device, name, name), raw=True)
        return (name, instance), self.interning(device, name)

    def interning(self, obj: _Object, path: str) -> Schema:
        """As `schema`; what is described in equal words is one object."""
        words = {key: obj.get(key) for key in ("vmsd_name", "version", "fields", "subsections")}
        try:
            # A digest, because the words themselves hold those of every struct inside once more.
            key = blake2b(marshal.dumps(words, 2), digest_size=16).digest()
        except ValueError:  # something in it with repeated keys
            return self.schema(obj, path)
        known = self.interned.get(key)
        if known is None:
            known = self.interned[key] = self.schema(obj, path)
        return known

    def schema(self, obj: _Object, path: str) -> Schema:
        name = self.text(obj, "vmsd_name", path)
        version = self.number(obj, "version", path)
        if self.depth == _DEEPEST:
            raise StreamError(self.offset, path, f"at most {_DEEPEST} structs in structs", "more")
        self.depth += 1
        fields = self.fields(obj, name, path)
        subs: dict[str, list[Schema]] = {}
        for item in self.as_list(obj.get("subsections") or [], path):
            sub = self.interning(self.as_object(item, path), path)
            subs.setdefault(sub.name, []).append(sub)
        self.depth -= 1
        merged = tuple(_fold(found, merge) if len(found) > 1 else found[0] for found in subs.values())
        return Schema(name, version, _MINIMUM.get(name, version), fields, merged)

    def fields(self, obj: _Object, vmsd: str, path: str) -> tuple[Field, ...]:
        """The fields of a vmsd. What comes several times under one name are the elements of an array."""
        result: list[Field] = []
        group: list[tuple[Field, Value]] = []
        for item in self.as_list(obj.get("fields") or [], path):
            described = self.as_object(item, path)
            field = self.field(described, path)
            index = described.get("index")
            if group and field.name != group[0][0].name:
                result += _gathered(group)
                group = []
            group.append((field, index))
        result += _gathered(group)
        return _refined(vmsd, _named_once(result))

    def field(self, obj: _Object, path: str) -> Field:
        name, type_, size, count = obj.get("name"), obj.get("type"), obj.get("size"), obj.get("array_len")
        if type(name) is str and type(type_) is str and type(size) is int and (count is None or type(count) is int):
            known = self.leaves.get((name, type_, size, count))
            if known is not None:
                return known
        name = self.text(obj, "name", path)
        path = f"{path}.{name}"
        type_ = self.text(obj, "type", path)
        size = self.number(obj, "size", path)
        count = None if count is None else self.number(obj, "array_len", path)
        if type_ == "struct":
            inner = self.as_object(obj.get("struct"), path)
            if not inner:  # a null pointer where a struct could be
                return Field(name, "nullptr", count=count) if size == 1 else Field(name, "buffer", size, count)
            return Field(name, type_, count=count, struct=self.interning(inner, path))
        if type_ in {"tmp", "vstruct"}:
            struct = self.interning(obj, path)
            return Field(
                name, type_, count=count, struct=struct, version=struct.version if type_ == "vstruct" else None
            )
        if type_ in {"qtailq", "qlist"}:
            return Field(name, type_, count=count, struct=self.element(obj, path))
        if type_ == "gtree":
            pair = self.pair(obj, path, size)
            return Field(name, "buffer", size, count) if pair is None else Field(name, type_, struct=pair)
        made = _leaf(name, type_, size, count)
        self.leaves[name, type_, size, count] = made
        return made

    def element(self, obj: _Object, path: str) -> Schema | None:
        """What a list consists of."""
        schemas = [self.interning(element, path) for element in _inline(obj)]
        return _fold(schemas, merge) if schemas else None

    def pair(self, obj: _Object, path: str, size: int) -> Schema | None:
        """Key and value of a gtree; None if they cannot be told, or would not be `size` bytes with what they describe.

        A key that is a number has no description of its own.
        """
        schemas = [self.interning(element, path) for element in _inline(obj)]
        names = list(dict.fromkeys(schema.name for schema in schemas))
        if not names or len(names) > 2:
            return None
        kinds = [_fold([schema for schema in schemas if schema.name == name], merge) for name in names]
        count = len(schemas) // len(kinds)
        key = Field("key", "uint64") if len(kinds) == 1 else Field("key", "struct", struct=kinds[0])
        struct = Schema(kinds[-1].name, 1, 1, (key, Field("value", "struct", struct=kinds[-1])), raw=True)
        fixed = layout(struct).fixed
        return struct if fixed is not None and 4 + count * (1 + fixed) + 1 == size else None

    def as_object(self, value: object, path: str) -> _Object:
        if not isinstance(value, dict):
            raise StreamError(self.offset, path, "a JSON object", type(value).__name__)
        return value

    def as_list(self, value: object, path: str) -> list[Value]:
        if not isinstance(value, list):
            raise StreamError(self.offset, path, "a JSON list", type(value).__name__)
        return value

    def text(self, obj: _Object, key: str, path: str) -> str:
        value = obj.get(key)
        if not isinstance(value, str):
            raise StreamError(self.offset, path, f"a string {key}", repr(value))
        return value

    def number(self, obj: _Object, key: str, path: str) -> int:
        return self.ranged(obj.get(key), key, path)

    def ranged(self, value: object, key: str, path: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2 * SIGNED_LIMIT:
            raise StreamError(self.offset, path, f"a number {key}", repr(value))
        return value


def _leaf(name: str, type_: str, size: int, count: int | None) -> Field:
    """A field without a description of its own."""
    if type_ == "uint64" and size == 1:
        type_ = "nullptr"
    known = INTEGERS.get(type_)
    if known is not None:
        return Field(name, type_, 0, count) if known[1] == size else Field(name, "buffer", size, count)
    return Field(name, type_, 0 if type_ == "pci irq state" else size, count)


def _inline(obj: _Object) -> list[_Object]:
    """The descriptions in a list's or tree's object: the keys of each stand in it, one after the other."""
    if not isinstance(obj, Repeated):
        return [obj] if "vmsd_name" in obj else []
    elements: list[_Object] = []
    for key, value in obj.pairs:
        if key == "vmsd_name":
            elements.append({})
        if elements:
            elements[-1].setdefault(key, value)
    return elements


def _gathered(group: list[tuple[Field, Value]]) -> list[Field]:
    """Fields of one name that follow each other."""
    if len(group) < 2:
        return [field if index is None else replace(field, count=1) for field, index in group]
    result: list[Field] = []
    if all(index is not None for _, index in group) or not any(field.type == "nullptr" for field, _ in group):
        # Arrays element by element; each begins with element 0.
        array: list[Field] = []
        for field, index in group:
            if array and index != len(array):
                result += _array(array)
                array = []
            if index is None:
                result.append(field)
            else:
                array.append(field)
        return result + _array(array)
    # An array of pointers: null ones and others in turns, each run described by itself (facts: stream.md 1.13).
    at = 0
    for field, _ in group:
        count = field.count if isinstance(field.count, int) else 1
        place = f"[{at}]" if field.count is None else f"[{at}..{at + count - 1}]"
        result.append(replace(field, name=f"{field.name}{place}", label=field.plain_name))
        at += count
    return result


def _array(group: list[Field]) -> list[Field]:
    """Elements described one by one, as one field if they are of one kind."""
    if not group:
        return []
    if not all(_alike(group[0], element) for element in group[1:]):
        return [replace(f, name=f"{f.name}[{i}]", label=f.plain_name) for i, f in enumerate(group)]
    return [replace(_fold(group, _merge_field), count=len(group))]


def _fold(items: list[_Item], join: Callable[[_Item, _Item], _Item]) -> _Item:
    """All of them made into one, neighbours first: what is merged grows, and must not be gone through for each."""
    items = list(dict.fromkeys({id(item): item for item in items}.values()))
    while len(items) > 1:
        pairs = [join(first, second) for first, second in zip(items[::2], items[1::2], strict=False)]
        items = pairs + items[len(pairs) * 2 :]
    return items[0]


def _named_once(fields: list[Field]) -> list[Field]:
    """The same with a number behind names that come again, as QEMU never has them: values go by name."""
    used = {field.name for field in fields}
    if len(used) == len(fields):
        return fields
    seen: set[str] = set()
    numbers: dict[str, int] = {}
    result = []
    for field in fields:
        name = field.name
        while name in seen or (name is not field.name and name in used):
            numbers[field.name] = numbers.get(field.name, 0) + 1
            name = f"{field.name}#{numbers[field.name]}"
        seen.add(name)
        result.append(field if name == field.name else replace(field, name=name, label=field.plain_name))
    return result


def _refined(vmsd: str, fields: list[Field]) -> tuple[Field, ...]:
    if vmsd not in _REFINED:
        return tuple(fields)
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


_told: Final = attrgetter(*(told.name for told in dataclass_fields(Field) if told.name != "struct"))
"""All of a field but its struct."""


def _alike(a: Field, b: Field) -> bool:
    if a is b:
        return True
    if _told(a) != _told(b):
        return False
    if a.struct is b.struct:
        return True
    if a.struct is None or b.struct is None:
        return a.type in {"qtailq", "qlist"}
    return (
        a.struct.name == b.struct.name
        and a.struct.version == b.struct.version
        and len(a.struct.fields) == len(b.struct.fields)
        and all(map(_alike, a.struct.fields, b.struct.fields))
    )


def _merge_field(a: Field, b: Field, better: Collection[str] = ()) -> Field:
    if a.struct is b.struct:
        return a
    if a.struct is None or b.struct is None:
        return replace(a, struct=a.struct or b.struct)
    return replace(a, struct=merge(a.struct, b.struct, better))
