"""A schema as a listing for people: a line a field, indented as they are nested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmformat.schema import INTEGERS, Count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.schema import Field, Schema, When

_STEP = "  "
_ALL = (1 << 64) - 1
_NARROW = 24


def listing(schema: Schema, indent: str = "") -> Iterator[str]:
    """The lines: fields with type, length, condition and version, then subsections with theirs."""
    size = fixed_size(schema)
    yield f"{indent}{heading(schema)}: {'bytes vary' if size is None else f'{size} bytes'}"
    yield from _body(schema, indent + _STEP)


def heading(schema: Schema) -> str:
    """Name and versions."""
    older = f", takes {schema.minimum} to {schema.version}" if schema.minimum < schema.version else ""
    return f"{schema.name} version {schema.version}{older}"


def fixed_size(schema: Schema) -> int | None:
    """Bytes of a payload of the schema's own version without subsections, None if they vary."""
    total = 0
    for field in schema.fields:
        if not field.exists(schema.version) or field.type == "must exist":
            continue
        if field.when is not None or isinstance(field.count, Count):
            return None
        one = fixed_size(field.struct) if field.struct is not None and field.type in _INLINE else _width(field)
        if one is None:
            return None
        total += one * (1 if field.count is None else field.count)
    return total


_INLINE = frozenset({"struct", "vstruct", "tmp"})


def _width(field: Field) -> int | None:
    return field.width or None


def _body(schema: Schema, indent: str) -> Iterator[str]:
    names = [len(field.name) for field in schema.fields]
    width = min(max(names, default=0), _NARROW)
    for field in schema.fields:
        yield f"{indent}{field.name:<{width}} {_told(field)}".rstrip()
        if field.struct is not None:
            yield from _body(field.struct, indent + _STEP)
    for sub in schema.subsections:
        size = fixed_size(sub)
        yield f"{indent}subsection {heading(sub)}: {'bytes vary' if size is None else f'{size} bytes'}"
        yield from _body(sub, indent + _STEP)


def _told(field: Field) -> str:
    parts = [_type(field) + _length(field)]
    if field.when is not None:
        parts.append(_condition(field.when))
    if field.since:
        parts.append(f"since version {field.since}")
    if field.until is not None:
        parts.append(f"until version {field.until}")
    return ", ".join(parts)


def _type(field: Field) -> str:
    if field.struct is not None:
        return f"{field.type} {field.struct.name} (version {field.struct.version})"
    if field.type in INTEGERS or not field.size:
        return field.type
    return f"{field.type} of {field.size} bytes"


def _length(field: Field) -> str:
    count = field.count
    if count is None:
        return ""
    if isinstance(count, int):
        return f"[{count}]"
    less = f" - {count.less}" if count.less else ""
    times = f" * {count.times}" if count.times != 1 else ""
    return f"[{count.field}{less}{times}]"


def _condition(when: When) -> str:
    value = when.field if when.mask == _ALL else f"{when.field} & {when.mask:#x}"
    if when.among:
        return f"if {value} is {'not ' if when.invert else ''}one of {', '.join(map(str, when.among))}"
    if when.at_most is not None:
        return f"if {value} {'>' if when.invert else '<='} {when.at_most}"
    return f"if {value} {'==' if when.invert else '!='} 0"
