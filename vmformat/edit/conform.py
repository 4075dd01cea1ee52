"""Values made to fit their schema: what a changed value calls for elsewhere in its payload.

A count or a condition is a field like any other, and others depend on it. After one value was changed, `conform` walks
the schema with all of them: arrays grow with zeros or are cut to their counts, fields under a condition appear (zero)
or go. What nobody depends on stays as it is. Names are resolved as in `schema`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from vmformat.errors import StreamError
from vmformat.node import join
from vmformat.schema import INTEGERS, LISTS, NESTED, Count, Field, Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")
_MOST_KNOWN: Final = 2048
MOST: Final = 1 << 28
"""Bytes that an array may grow to."""


class Scope:
    """The values of one vmsd that came before, and the vmsd around it."""

    __slots__ = ("outer", "values")

    def __init__(self, values: dict[str, Any], outer: Scope | None) -> None:
        self.values, self.outer = values, outer

    def holder(self, name: str) -> tuple[dict[str, Any], str] | None:
        """The dict and the key of the integer that `name` means here."""
        scope: Scope | None = self
        while scope is not None:
            found = _reach(scope.values, name)
            if found is not None:
                return found
            scope = scope.outer
        return None

    def number(self, name: str, path: str) -> int:
        """That integer. Raises StreamError if there is none."""
        found = self.holder(name)
        if found is None:
            raise StreamError(0, path, f"an earlier field {name!r}", "none")
        value: int = found[0][found[1]]
        return value


def _reach(values: Mapping[str, Any], name: str) -> tuple[dict[str, Any], str] | None:
    if isinstance(values.get(name), int) and isinstance(values, dict):
        return values, name
    at = name.find(".")
    while at >= 0:
        inner = values.get(name[:at])
        if isinstance(inner, Mapping) and (found := _reach(inner, name[at + 1 :])) is not None:
            return found
        at = name.find(".", at + 1)
    return None


def struct_version(field: Field, struct: Schema) -> int:
    """The version that a field's struct is read with."""
    if field.type in {"tmp", "qtailq", "qlist", "gtree"}:
        return field.since
    return field.version if field.type == "vstruct" and field.version is not None else struct.version


def by_identity(function: Callable[[Schema], _T]) -> Callable[[Schema], _T]:
    """Remember the answers for schemas by identity: hashing a large one costs more than most answers."""
    known: dict[int, tuple[Schema, _T]] = {}

    def remembering(schema: Schema) -> _T:
        found = known.get(id(schema))
        if found is None:
            if len(known) > _MOST_KNOWN:
                known.clear()
            found = known[id(schema)] = schema, function(schema)
        return found[1]

    return remembering


@by_identity
def references(schema: Schema) -> frozenset[str]:
    """Names of fields that counts and conditions in the schema may mean: a dotted one may reach into structs."""
    found: set[str] = set()
    for name in _references(schema):
        parts = name.split(".")
        found.update(".".join(parts[i:]) for i in range(len(parts)))
    return frozenset(found)


def _references(schema: Schema) -> Iterator[str]:
    for field in schema.fields:
        for reference in (field.count, field.when):
            if reference is not None and not isinstance(reference, int):
                yield reference.field
        if field.struct is not None:
            yield from _references(field.struct)
    for sub in schema.subsections:
        yield from _references(sub)


def conform(schema: Schema, values: Mapping[str, Any], version: int, outer: Scope | None = None, path: str = "") -> Any:
    """The values that fit, in the schema's order. Raises StreamError for a count that nothing can be grown to."""
    out: dict[str, Any] = {}
    scope = Scope(out, outer)
    for field in schema.fields:
        if field.type == "must exist" or not field.exists(version):
            continue
        if field.type == "subsections":
            _subsections(schema, values, scope, path)
            continue
        where = join(path, field.name)
        if field.when is not None and not field.when.holds(scope.number(field.when.field, where)):
            continue
        out[field.name] = _field(field, values.get(field.name), scope, where)
    if not schema.raw:
        _subsections(schema, values, scope, path)
    return out


def _subsections(schema: Schema, values: Mapping[str, Any], scope: Scope, path: str) -> None:
    known = {sub.name: sub for sub in reversed(schema.subsections)}
    for name, value in values.items():
        sub = known.get(name.partition("#")[0])
        if sub is None or name in scope.values or not isinstance(value, Mapping):
            continue
        version = value.get("@version", sub.version)
        inner = conform(sub, value, min(version & 0xFF, sub.version), scope, join(path, name))
        scope.values[name] = {"@version": version, **inner}


def _field(field: Field, value: Any, scope: Scope, path: str) -> Any:
    if field.type in LISTS:
        return _list(field, value, scope, path)
    if field.type in NESTED:
        return _nested(field, value, scope, path)
    if field.type in {"string", "vbuffer"}:
        return b"" if value is None else value
    if field.count is None and field.type != "pci irq state":
        return (0 if field.type in INTEGERS else bytes(field.width)) if value is None else value
    return _array(field, value, _times(field, scope, path), path)


def _times(field: Field, scope: Scope, path: str) -> int:
    if isinstance(field.count, Count):
        return field.count.elements(scope.number(field.count.field, path), loading=False) or 0
    return 1 if field.count is None else field.count


def _array(field: Field, value: Any, count: int, path: str) -> Any:
    width = field.width
    if field.type == "pci irq state":
        count, width = 4 * count, 4
    _sane(count * width, path)
    if field.type in INTEGERS or field.type == "pci irq state":
        numbers = tuple(value or ())[:count]
        return numbers + (0,) * (count - len(numbers))
    if width == 1 or not width:
        data = bytes(value or b"")[: count * width]
        return data + bytes(count * width - len(data))
    pieces = tuple(value or ())[:count]
    return pieces + (bytes(width),) * (count - len(pieces))


def _sane(size: int, path: str) -> None:
    if size > MOST:
        raise StreamError(0, path, f"a count that calls for at most {MOST:#x} bytes", f"{size:#x}")


def _nested(field: Field, value: Any, scope: Scope, path: str) -> Any:
    struct = _struct(field, path)
    version = struct_version(field, struct)
    if field.count is None:
        return conform(struct, value if isinstance(value, Mapping) else {}, version, scope, path)
    count = _times(field, scope, path)
    size = fixed_size(struct, version)
    if size == 0:
        count = min(count, 1)  # as trees have it: elements without bytes are one
    _sane(count * (size or 1), path)
    kept = list(value or ())[:count]
    if size is None:
        kept = [conform(struct, element, version, scope, f"{path}[{i}]") for i, element in enumerate(kept)]
    if len(kept) < count:
        blank = conform(struct, {}, version, scope, f"{path}[{len(kept)}]")
        kept += [blank] * (count - len(kept))
    return kept


def _list(field: Field, value: Any, scope: Scope, path: str) -> Any:
    found = []
    for i, element in enumerate(value or ()):
        if isinstance(element, Mapping):
            struct = _struct(field, path)
            around = Scope({"@more": element.get("@more", 1)}, scope)
            inner = conform(struct, element, struct_version(field, struct), around, f"{path}[{i}]")
            element = {"@more": element["@more"], **inner} if "@more" in element else inner
        found.append(element)
    return found


def _struct(field: Field, path: str) -> Schema:
    if field.struct is None:
        raise StreamError(0, path, "a schema of the elements", "none")
    return field.struct


def fixed_size(schema: Schema, version: int) -> int | None:
    """The bytes of a vmsd that always has as many; None if they depend on anything."""
    if schema.subsections:
        return None
    total = 0
    for field in schema.fields:
        if field.type == "must exist" or not field.exists(version):
            continue
        size = _fixed_field(field)
        if size is None:
            return None
        total += size
    return total


def _fixed_field(field: Field) -> int | None:
    if field.when is not None or isinstance(field.count, Count) or field.type in LISTS | {"string", "vbuffer"}:
        return None
    if field.type == "subsections":
        return None
    times = 1 if field.count is None else field.count
    if field.type not in NESTED:
        return field.width * times
    if field.struct is None:
        return None
    size = fixed_size(field.struct, struct_version(field, field.struct))
    return None if size is None else size * times


def set_count(field: Field, elements: int, scope: Scope, path: str) -> None:
    """Make the earlier field that counts this array say so many elements. Raises StreamError if it cannot."""
    count = field.count
    if isinstance(count, Count):
        found = scope.holder(count.field)
        value = elements // count.times + count.less if elements else 0
        if found is None or count.elements(value, loading=False) != elements:
            raise StreamError(0, path, f"a number of elements that {count.field!r} can tell", str(elements))
        holder, key = found
        if elements or count.elements(holder[key], loading=False) != 0:
            holder[key] = value
        return
    present = 1 if count is None else count
    if present != elements:
        raise StreamError(0, path, f"{present} elements, as always", str(elements))


def is_variable(field: Field) -> bool:
    """Whether a field of this kind may have more or fewer bytes or elements."""
    return isinstance(field.count, Count) or field.type in LISTS | {"string", "vbuffer"}


def field_of(schema: Schema, name: str) -> Field | None:
    """The first field of that name."""
    return next((field for field in schema.fields if field.name == name), None)
