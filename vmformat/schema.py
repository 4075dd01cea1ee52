"""Schemas: which fields a device payload holds, of which wire type, in which order.

A migration stream does not say what a device section contains. A `Schema` does: it mirrors one VMState description
("vmsd") of QEMU, with nested ones inside. Schemas come from the VMDESCRIPTION at a stream's end (`vmdescription`), from
a machine description, or are written here by hand where QEMU's own description stops (`virtio`, `pci`). Values only;
the walk is in `plan` (the loader's way) and `tree` (the reader's and writer's way).

Paths
-----
Both walks name a leaf the same way: the names from the top joined by dots, `parent_obj.config[1]`; element i of an
array, list or tree of structs adds `[i]` (`regs[3].value`); a subsection adds its full name as one step
(`d.PCIDevice/foo.field`). Field names may contain dots themselves (they are C member paths), so a path is compared,
not split.

Names that need resolving
-------------------------
`Count.field` and `When.field` name an *earlier* field: of the same schema, else of the schema around it, and so on
outwards (a subsection's owner counts as around it). A dotted name also reaches into an earlier struct of such a schema:
`head.features_lo` is the field `features_lo` of the struct field `head`. Inside an element of a list `@more` is the
number that announced it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from vmformat.errors import StreamError

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

INTEGERS: Final[Mapping[str, tuple[str, int]]] = {
    # type: (struct format without byte order, bytes). Big-endian but for the le* ones, which are raw host integers.
    "bool": ("B", 1),
    "int8": ("b", 1),
    "int16": ("h", 2),
    "int32": ("i", 4),
    "int64": ("q", 8),
    "uint8": ("B", 1),
    "uint16": ("H", 2),
    "uint32": ("I", 4),
    "uint64": ("Q", 8),
    "int8 equal": ("b", 1),
    "uint8 equal": ("B", 1),
    "uint16 equal": ("H", 2),
    "int32 equal": ("i", 4),
    "uint32 equal": ("I", 4),
    "int64 equal": ("Q", 8),  # QEMU's misnomer: it is the unsigned one
    "uint64 equal": ("Q", 8),
    "int32 le": ("i", 4),  # "less or equal", big-endian
    "timer": ("q", 8),
    "CPU_Double_U": ("Q", 8),
    "nullptr": ("B", 1),
    "le16": ("H", 2),
    "le32": ("I", 4),
    "le64": ("Q", 8),
}
"""Wire types that are one integer."""

LITTLE_ENDIAN: Final = frozenset({"le16", "le32", "le64"})
"""The integers of `INTEGERS` that stand in the stream as the (little-endian) host had them in memory."""

EQUAL: Final = frozenset(name for name in INTEGERS if name.endswith(" equal"))
"""Types whose value must equal the destination's own."""

BYTES: Final = frozenset({"buffer", "unused_buffer", "bitmap", "pci config", "msix state", "pci irq state"})
"""Types of `Field.size` bytes. A type that stands nowhere in this module is opaque and treated like them."""

DEVICES_OWN: Final = frozenset({"shpc", "cpsr", "fpscr", "powered_off"})
"""Types of one device that are known here, though loaders leave them to it: of a hot-plug controller, of Arm processors
(registers, most significant byte first).
"""

ANNOUNCED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("qtailq", "qlist", "gtree", "repeat"), "uint8"),
    "repeat int8": "int8",
    "repeat uint32": "uint32",
}
"""Types whose elements are each announced by a number of this type; one that is not above 0 ends the list."""

LISTS: Final = frozenset(ANNOUNCED)
"""Types whose number of elements is told by a number before each of them."""

NESTED: Final = LISTS | {"struct", "vstruct", "tmp", "pointers"}
"""Types with a schema of their own in `Field.struct`."""

SIGNED_LIMIT: Final = 0x8000_0000
"""A count read from the stream is a signed 32-bit number in QEMU's loop: from here on it means no element."""


@dataclass(frozen=True, slots=True)
class Count:
    """A number of elements that an earlier field holds: `max(value - less, 0) * times`.

    From `SIGNED_LIMIT` on it means none, unless it is `unsigned`; with `endless` it means a loop that never ends in
    anyone's lifetime (to those who read and do not load: as many elements as the number says).
    """

    field: str
    times: int = 1
    less: int = 0
    endless: bool = False
    unsigned: bool = False

    def elements(self, value: int, *, loading: bool = True) -> int | None:
        """How many elements there are when the earlier field holds `value`; None is an endless loop of the loader."""
        n = max((value & 0xFFFF_FFFF) - self.less, 0) * self.times & 0xFFFF_FFFF
        if n < SIGNED_LIMIT or self.unsigned or (self.endless and not loading):
            return n
        return None if self.endless else 0


@dataclass(frozen=True, slots=True)
class When:
    """A condition on an earlier field.

    True iff `value & mask` is not 0, or, with `at_most`, iff `value & mask <= at_most`, or, with `among`, iff
    `value & mask` is one of these; `invert` turns it round.
    """

    field: str
    mask: int = 0xFFFF_FFFF_FFFF_FFFF
    invert: bool = False
    at_most: int | None = None
    among: tuple[int, ...] = ()

    def holds(self, value: int) -> bool:
        """Whether a field under this condition is present when the earlier field holds `value`."""
        masked = value & self.mask
        if self.among:
            return (masked in self.among) != self.invert
        return (masked != 0 if self.at_most is None else masked <= self.at_most) != self.invert


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a schema.

    - `type`: a string of QEMU's own description ("uint32", "int32 le", "pci config", ...; any other is opaque and needs
      a `size`), or one of ours: "le16", "le32", "le64"; "string" (u8 length, bytes); "vbuffer" (u32 length, bytes);
      "repeat" (u8 non-zero and an element, again and again, then u8 0), "repeat int8" (the same with a signed number,
      so that a negative one ends), "repeat uint32"; "subsections" (scan for them here); "must exist" (no bytes: the
      load fails unless its `when` holds).
      "pointers": an array of structs, of which some may be null (for readers: nothing that is loaded has any).
    - `size`: bytes of one element. 0 for integers and nested types, whose size is known.
    - `count`: None is one element, a number is an array, a `Count` an array whose length an earlier field tells.
    - `since`: the field is read iff the version being loaded is at least this one. Not looked at if there is a `when`.
    - `struct`: the element's schema, for nested types. For "gtree" its first field is the key, its second the value.
    - `version`: "vstruct" only: the version its struct is loaded with.
    - `label`: the name in QEMU's error messages, where `plain_name` would guess it wrongly from `name`.
    - `until`: as `since`, from the other side: the field is read iff the version being loaded is at most this one.
    """

    name: str
    type: str
    size: int = 0
    count: int | Count | None = None
    since: int = 0
    when: When | None = None
    struct: Schema | None = None
    version: int | None = None
    label: str | None = None
    until: int | None = None

    def exists(self, version: int) -> bool:
        """Whether the field is there in a payload of a version, as far as that decides."""
        return self.when is not None or (self.since <= version and (self.until is None or version <= self.until))

    @property
    def width(self) -> int:
        """Bytes of one element of a leaf type; 0 if they vary or the type is nested."""
        known = INTEGERS.get(self.type)
        if known is not None:
            return known[1]
        return 16 if self.type == "pci irq state" else self.size

    @property
    def plain_name(self) -> str:
        """The name as QEMU's error messages have it: without the ordinal that a description adds to repeated names."""
        if self.label is not None:
            return self.label
        if self.name.endswith("]"):
            base, _, ordinal = self.name[:-1].rpartition("[")
            if base and ordinal.isdigit():
                return base
        return self.name


@dataclass(frozen=True, slots=True)
class Schema:
    """One vmsd: its name, the versions it takes (`minimum`..`version`), fields in wire order, subsections it knows.

    `raw=True` is an old-style loader: nothing is checked between fields, a read past the end gives zeros and the loader
    goes on, no subsections are looked for but where a field of type "subsections" says so. `block=True`: all of it is
    read in one go, as a buffer is (an array of such structs too, which the end of the data ends).
    """

    name: str
    version: int
    minimum: int
    fields: tuple[Field, ...]
    subsections: tuple[Schema, ...] = ()
    raw: bool = False
    block: bool = False

    def field(self, name: str) -> Field:
        """The first field of that name; KeyError if there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    def to_json(self) -> dict[str, Json]:
        """A compact, readable form; `from_json` gives an equal schema back."""
        result: dict[str, Json] = {"name": self.name, "version": self.version}
        if self.minimum != self.version:
            result["minimum"] = self.minimum
        if self.raw:
            result["raw"] = True
        if self.block:
            result["block"] = True
        result["fields"] = [_field_to_json(field) for field in self.fields]
        if self.subsections:
            result["subsections"] = [schema.to_json() for schema in self.subsections]
        return result

    @classmethod
    def from_json(cls, value: object) -> Schema:
        """The schema that `to_json` gave. Raises StreamError (path: where in the JSON) on anything else."""
        return _schema_from_json(value, "")


Schemas: TypeAlias = Mapping[tuple[str, int], Schema]
"""Schemas of a machine's sections by (section name, instance)."""


def _field_to_json(field: Field) -> dict[str, Json]:
    result: dict[str, Json] = {"name": field.name, "type": field.type}
    if field.size:
        result["size"] = field.size
    if isinstance(field.count, int):
        result["count"] = field.count
    elif field.count is not None:
        count: dict[str, Json] = {"field": field.count.field}
        if field.count.times != 1:
            count["times"] = field.count.times
        if field.count.less:
            count["less"] = field.count.less
        if field.count.endless:
            count["endless"] = True
        if field.count.unsigned:
            count["unsigned"] = True
        result["count"] = count
    if field.since:
        result["since"] = field.since
    if field.when is not None:
        result["when"] = _when_to_json(field.when)
    if field.version is not None:
        result["version"] = field.version
    if field.label is not None:
        result["label"] = field.label
    if field.until is not None:
        result["until"] = field.until
    if field.struct is not None:
        result["struct"] = field.struct.to_json()
    return result


def _when_to_json(when: When) -> dict[str, Json]:
    result: dict[str, Json] = {"field": when.field}
    if when.mask != When("").mask:
        result["mask"] = when.mask
    if when.invert:
        result["invert"] = True
    if when.at_most is not None:
        result["at_most"] = when.at_most
    if when.among:
        result["among"] = list(when.among)
    return result


class _Object:
    """A JSON object being taken apart: every key must be known, every value of its type."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise StreamError(0, path, "a JSON object", type(value).__name__)
        self.rest: dict[object, object] = dict(value)
        self.path = path

    def string(self, key: str) -> str:
        value = self.rest.pop(key, None)
        if not isinstance(value, str):
            raise StreamError(0, f"{self.path}.{key}", "a string", repr(value))
        return value

    def number(self, key: str, default: int | None = None, least: int = 0) -> int:
        value = self.rest.pop(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise StreamError(0, f"{self.path}.{key}", f"a number of at least {least}", repr(value))
        return value

    def flag(self, key: str) -> bool:
        value = self.rest.pop(key, False)
        if not isinstance(value, bool):
            raise StreamError(0, f"{self.path}.{key}", "true or false", repr(value))
        return value

    def numbers(self, key: str) -> list[int]:
        values = self.items(key)
        found = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
        if len(found) != len(values):
            raise StreamError(0, f"{self.path}.{key}", "a list of numbers", repr(values))
        return found

    def items(self, key: str) -> list[object]:
        value = self.rest.pop(key, [])
        if not isinstance(value, list):
            raise StreamError(0, f"{self.path}.{key}", "a list", repr(value))
        return value

    def end(self) -> None:
        if self.rest:
            raise StreamError(0, self.path, "no other key", ", ".join(sorted(map(repr, self.rest))))


def _schema_from_json(value: object, path: str) -> Schema:
    obj = _Object(value, path)
    name = obj.string("name")
    path = f"{path}/{name}" if path else name
    obj.path = path
    version = obj.number("version", least=-SIGNED_LIMIT)
    minimum = obj.number("minimum", version, least=-SIGNED_LIMIT)
    raw, block = obj.flag("raw"), obj.flag("block")
    fields = tuple(_field_from_json(item, f"{path}.fields[{i}]") for i, item in enumerate(obj.items("fields")))
    subsections = tuple(_schema_from_json(item, path) for item in obj.items("subsections"))
    obj.end()
    return Schema(name, version, minimum, fields, subsections, raw, block)


def _field_from_json(value: object, path: str) -> Field:
    obj = _Object(value, path)
    name, type_ = obj.string("name"), obj.string("type")
    size, since = obj.number("size", 0), obj.number("since", 0)
    count: int | Count | None = None
    if isinstance(obj.rest.get("count"), dict):
        inner = _Object(obj.rest.pop("count"), f"{path}.count")
        count = Count(
            inner.string("field"),
            inner.number("times", 1),
            inner.number("less", 0),
            inner.flag("endless"),
            inner.flag("unsigned"),
        )
        inner.end()
    elif "count" in obj.rest:
        count = obj.number("count")
    when = None
    if "when" in obj.rest:
        inner = _Object(obj.rest.pop("when"), f"{path}.when")
        at_most = inner.number("at_most") if "at_most" in inner.rest else None
        when = When(
            inner.string("field"),
            inner.number("mask", When("").mask),
            inner.flag("invert"),
            at_most,
            tuple(inner.numbers("among")),
        )
        inner.end()
    version = obj.number("version") if "version" in obj.rest else None
    label = obj.string("label") if "label" in obj.rest else None
    until = obj.number("until") if "until" in obj.rest else None
    struct = _schema_from_json(obj.rest.pop("struct"), path) if "struct" in obj.rest else None
    if struct is None and type_ in {"struct", "vstruct", "tmp"}:
        raise StreamError(0, path, "a struct", "none")
    obj.end()
    return Field(name, type_, size, count, since, when, struct, version, label, until)
