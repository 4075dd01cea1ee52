"""Fields that are there only if another one says so, and fields that older versions of a section have not.

A flag that announces a field moves all that stands behind it, so that it alone gets a load refused for that. What a
loader does with such a field shows only where it is sent together with what announces it; guests rarely leave it so.
The payload is written anew from its values, as for a count and what it counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fuzz.mutate.counts import counts_of
from fuzz.mutate.index import with_payload
from fuzz.mutate.subsections import place_of
from vmformat import StreamError, complete, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat import Field, Schema, Section, When

_DEEP: Final = 6
"""How deep structs are searched."""
_ALL: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Guard:
    """A field that says whether others are there: its path, and that of the struct which has them, by tabs."""

    path: str
    holder: str
    fields: tuple[Field, ...]

    @property
    def pattern(self) -> str:
        """The field as an index of values names it."""
        return self.path.replace("\t", ".")


def guards_of(section: Section) -> tuple[Guard, ...]:
    """The guards that a section's schema knows, but for those that count what they guard (`counts`)."""
    if section.layout is None:
        return ()
    counts = {counted.pattern for counted in counts_of(section)}
    return tuple(guard for guard in _known(section.layout) if guard.pattern not in counts)


@lru_cache(maxsize=512)
def _known(schema: Schema) -> tuple[Guard, ...]:
    found: dict[tuple[str, str], list[Field]] = {}
    for path, holder, field in _walk((("", schema),)):
        found.setdefault((path, holder), []).append(field)
    return tuple(Guard(path, holder, tuple(fields)) for (path, holder), fields in found.items())


def _walk(scopes: tuple[tuple[str, Schema], ...]) -> Iterator[tuple[str, str, Field]]:
    """`scopes`: the struct that is searched, with its path, and before it those that hold it."""
    path, schema = scopes[-1]
    for field in schema.fields:
        if field.when is not None and field.type != "must exist":
            guard = next(filter(None, (_within(*scope, field.when.field) for scope in reversed(scopes))), None)
            if guard is not None:
                yield guard, path, field
        if field.struct is not None and len(scopes) <= _DEEP:
            yield from _walk((*scopes, (_join(path, field.name), field.struct)))


def _within(path: str, schema: Schema, name: str) -> str | None:
    """The path of the field that a struct knows by a name, which may lead into a struct of its own."""
    for field in schema.fields:
        if field.name == name and field.struct is None:
            return _join(path, name)
        if field.struct is not None and name.startswith(f"{field.name}."):
            found = _within(_join(path, field.name), field.struct, name[len(field.name) + 1 :])
            if found is not None:
                return found
    return None


def _join(path: str, name: str) -> str:
    return f"{path}\t{name}" if path else name


def numbers_for(section: Section, guard: Guard) -> tuple[int, ...]:
    """Values of a guard, one for each choice of fields that some value calls for and the section has not made."""
    place, name = _place(section, guard)
    old = None if place is None else place.get(name)
    if not isinstance(old, int):
        return ()
    found = {_choice(guard, old): old}
    for field in guard.fields:
        for value in _turned(field.when, old) if field.when is not None else ():
            found.setdefault(_choice(guard, value), value)
    return tuple(value for value in found.values() if value != old)


def _choice(guard: Guard, value: int) -> tuple[bool, ...]:
    return tuple(field.when is not None and field.when.holds(value & _ALL) for field in guard.fields)


def _turned(when: When, old: int) -> tuple[int, ...]:
    """Values near an old one some of which fulfil a condition, and some do not."""
    if when.among:
        return (*when.among, max(when.among) + 1)
    if when.at_most is not None:
        return (when.at_most, when.at_most + 1)
    return (old | when.mask & -when.mask, old & ~when.mask)


def _place(section: Section, guard: Guard) -> tuple[dict[str, Any] | None, str]:
    tree, fault = section.read_payload()
    return (None, "") if fault is not None else place_of(tree.values(), guard.path)


def guarded(section: Section, guard: Guard, value: int) -> Section | None:
    """The section with another value in a guard, and with the fields that it calls for, all zeros."""
    layout = section.layout
    tree, fault = section.read_payload()
    if layout is None or fault is not None:
        return None
    values: Any = tree.values()
    place, name = place_of(values, guard.path)
    holder, _ = place_of(values, _join(guard.holder, name))
    if place is None or holder is None or name not in place:
        return None
    place[name] = value
    for field in guard.fields:
        if field.when is not None and not field.when.holds(value & _ALL):
            holder.pop(field.name, None)
    return _written(section, layout, values, section.version)


def versions_of(section: Section) -> tuple[int, ...]:
    """Older versions that a section's device takes: the last one, and the oldest."""
    if section.layout is None:
        return ()
    oldest = section.layout.minimum
    return tuple(dict.fromkeys(one for one in (section.version - 1, oldest) if oldest <= one < section.version))


def older(section: Section, version: int) -> Section | None:
    """The section as a program sends it that knows no later version: with the fields of that one, those alone."""
    layout = section.layout
    tree, fault = section.read_payload()
    if layout is None or fault is not None:
        return None
    values: Any = tree.values()
    for field in layout.fields:
        if not field.exists(version):
            values.pop(field.name, None)
    made = _written(section, layout, values, version)
    return None if made is None else replace(made, version=version)


def _written(section: Section, layout: Schema, values: Any, version: int) -> Section | None:
    try:
        return with_payload(section, encode(layout, complete(layout, values, version), version))
    except StreamError:
        return None
