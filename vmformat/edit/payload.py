"""A payload with one thing in it changed, and all that depends on it.

Most changes are a few bytes written over others: a number or a buffer that nothing in the schema counts by. For the
rest the payload becomes values, which are changed, made to fit (`conform`) and encoded again; what comes out must be
read to its last byte by the same schema, or the change is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from vmformat.edit.conform import (
    MOST,
    Scope,
    by_identity,
    conform,
    field_of,
    is_variable,
    references,
    set_count,
)
from vmformat.edit.words import leaf_bytes
from vmformat.errors import StreamError
from vmformat.iterable.payloads import encode_records
from vmformat.node import Node, join
from vmformat.schema import LISTS, Field, Schema
from vmformat.tree import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmformat.node import Leafs
    from vmformat.ram.context import RamContext

_COUNTED: Final = {"string": 1, "vbuffer": 4}
_DEPENDED: Final = frozenset({"@version", "@more", "@end", "@count"})


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload with its tree, and the schema if it has one that explains all of it.

    `stale`: bytes of it were written over since, and the tree only tells where everything stands. `rows`: the name of a
    section that is a row of records (`iterable`), which are read in `context`.
    """

    data: bytes
    tree: Node
    schema: Schema | None
    version: int
    stale: bool = False
    rows: str = ""
    context: RamContext | None = None

    @classmethod
    def read(cls, schema: Schema | None, data: bytes, version: int, tree: Node) -> Payload:
        """Of bytes and the tree they were shown with; a schema that does not explain them to the end is forgotten."""
        if schema is not None:
            try:
                return cls(data, decode(schema, data, tree.offset, version), schema, version)
            except StreamError:
                pass
        return cls(data, tree, None, version)

    def local(self, node: Node) -> int:
        """Where a node begins in the payload."""
        return node.offset - self.tree.offset

    def written(self, offset: int, size: int, data: bytes) -> Payload:
        """With other bytes in a place, without a look at what they mean. The tree is not that of the new bytes."""
        return replace(self, data=self.data[:offset] + data + self.data[offset + size :], stale=True)

    def fresh(self) -> Payload:
        """With the tree of the bytes that are there now. Raises StreamError if they are none of the schema's."""
        if not self.stale or self.schema is None:
            return self
        tree = decode(self.schema, self.data, self.tree.offset, self.version)
        return replace(self, tree=tree, stale=False)

    def field(self, path: str) -> Field | None:
        """The schema's field at a path; None for what is none (elements, subsections, registers)."""
        chain = find_chain(self.tree, path)
        schema, field = self.schema, None
        for node in chain[1:]:
            field, schema = _next(schema, node)
        return field

    def variable(self, path: str, node: Node) -> bool:
        """Whether a leaf may have more or fewer bytes or elements than it has."""
        if self.schema is None:
            return bool(self.rows) or node.name in {"payload", "@rest"} or _length_leaf(self, node) is not None
        field = self.field(path)
        return field is not None and is_variable(field)

    def free(self, node: Node) -> bool:
        """Whether nothing in the payload depends on what a leaf holds."""
        if self.schema is None:
            return True
        return node.name not in _DEPENDED and node.name not in references(self.schema)


def _next(schema: Schema | None, node: Node) -> tuple[Field | None, Schema | None]:
    """The field and the schema inside of it, for the next node of a chain."""
    if node.type == "element" or schema is None:
        return None, schema if node.type == "element" else None
    found = field_of(schema, node.name)
    if found is not None:
        return found, found.struct
    if node.type == "subsection":
        return None, _subsection(schema, node.name)
    return None, None


def _subsection(schema: Schema, name: str) -> Schema | None:
    plain = name.partition("#")[0]
    return next((sub for sub in schema.subsections if sub.name == plain), None)


def find_chain(tree: Node, path: str) -> list[Node]:
    """The nodes from the root to the one at a path. Raises StreamError if there is none."""
    chain = _chain(tree, path)
    if chain is None:
        raise StreamError(tree.offset, path, "a field of that name", "none")
    return chain


def _chain(node: Node, path: str) -> list[Node] | None:
    """As `Node.find`, with what it passes through."""
    if not path:
        return [node]
    if path[0] == "[" and not isinstance(node.inner, tuple):
        number = path[1:].partition("]")[0]
        child = node.inner.at(node.offset, int(number)) if number.isdecimal() and len(number) < 8 else None
        children: tuple[Node, ...] = (child,) if child is not None else node.children
    else:
        children = node.children
    for child in children:
        rest = path[len(child.name) :]
        if path.startswith(child.name) and rest[:1] in {"", ".", "[", "@"}:
            found = _chain(child, rest.removeprefix("."))
            if found is not None:
                return [node, *found]
    return None


def write_leaf(payload: Payload, path: str, node: Node, value: Leafs, *, raw: bool) -> Payload:
    """The payload with a leaf that holds another value; what depends on it follows unless `raw`.

    Its tree is that of the old bytes unless something followed. Raises StreamError if the value cannot stand there.
    """
    data = leaf_bytes(node, value)
    front = node.size - len(node.value) if node.type in _COUNTED and isinstance(node.value, bytes) else 0
    start, size = payload.local(node) + front, node.size - front
    if raw or (len(data) == size and payload.free(node) and not payload.rows):
        return payload.written(start, size, data)
    if payload.schema is not None:
        return rebuilt(payload, path, lambda place: place.set(value))
    if payload.rows and node.name != "@rest":
        return _with_row(payload, path, value)
    length = _length_leaf(payload, node)
    if length is not None:
        said = len(data).to_bytes(length.size, "big")
        return payload.written(start, size, data).written(payload.local(length), length.size, said)
    if len(data) != size and node.name not in {"payload", "@rest"}:
        raise StreamError(
            node.offset, path, f"{size} bytes, for no schema says what another length does", str(len(data))
        )
    return payload.written(start, size, data)


def _with_row(payload: Payload, path: str, value: Leafs) -> Payload:
    """The payload of a row of records, one of them made anew with another value: its lengths and sums follow."""
    _, row, *inside = find_chain(payload.tree, path)
    values: Any = row.values()
    holder = values
    for node, after in zip(inside, [*inside[1:], None], strict=True):
        key: Any = int(node.name[1:-1]) if node.name[0] == "[" else node.name
        if not isinstance(holder, dict | list) or (isinstance(holder, dict) and key not in holder):
            raise StreamError(row.offset, path, "a value that a record is made of, or a raw edit", node.name)
        if after is None:
            holder[key] = value
        else:
            inner = holder[key]
            holder[key] = dict(inner) if isinstance(inner, Mapping) else list(inner)
            holder = holder[key]
    data = encode_records(payload.rows, [values], payload.context)
    return payload.written(payload.local(row), row.size, data)


def without_row(payload: Payload, path: str) -> Payload:
    """The payload without one record of its row."""
    row = find_chain(payload.tree, path)[-1]
    if row.type != "element" or "." in path:
        raise StreamError(row.offset, path, "a record of the row", row.type)
    return payload.written(payload.local(row), row.size, b"")


def _length_leaf(payload: Payload, node: Node) -> Node | None:
    """The length of a command's block name, which is a leaf of its own."""
    return next((child for child in payload.tree.children if child.name == f"{node.name}@length"), None)


class Place:
    """A value among the values of a payload, which may be changed, and the field it is one of."""

    __slots__ = ("field", "holder", "key", "path", "schema", "scope")

    def __init__(
        self,
        holder: Any,
        key: Any,
        scope: Scope,
        path: str,
        *,
        field: Field | None = None,
        schema: Schema | None = None,
    ) -> None:
        self.holder, self.key, self.scope, self.path = holder, key, scope, path
        self.field, self.schema = field, schema

    @property
    def value(self) -> Any:
        """What stands there."""
        return self.holder[self.key]

    def set(self, value: Any) -> None:
        """Put a value there; the field that counts it says how many elements it has."""
        field = self.field
        if field is not None and field.type not in LISTS | _COUNTED.keys() and isinstance(value, bytes | tuple | list):
            width = field.width if isinstance(value, bytes) and field.width else 1
            present = self.holder.get(self.key)
            if not isinstance(present, bytes | tuple | list) or len(value) != len(present):
                set_count(field, len(value) // width, self.scope, self.path)
        self.holder[self.key] = value

    def resize(self, length: int) -> None:
        """Grow by zeros, or cut, to so many elements or bytes. Raises StreamError for what has none."""
        if not 0 <= length <= MOST:
            raise StreamError(0, self.path, f"a length of 0 to {MOST:#x}", str(length))
        value = self.value
        if isinstance(value, bytes):
            width = self.field.width if self.field is not None and self.field.type not in _COUNTED else 1
            size = length * (width or 1)
            self.set(value[:size] + bytes(max(size - len(value), 0)))
        elif isinstance(value, tuple):
            blank: Any = bytes(len(value[0])) if value and isinstance(value[0], bytes) else 0
            self.set(value[:length] + (blank,) * (length - len(value)))
        elif isinstance(value, list) and self.field is not None:
            end = [item for item in value if isinstance(item, int)]
            elements = [item for item in value if not isinstance(item, int)][:length]
            if self.field.type in LISTS:
                blanks: list[Any] = [{}] * (length - len(elements))
                self.holder[self.key] = [*elements, *blanks, *end]
            else:
                set_count(self.field, length, self.scope, self.path)
                self.holder[self.key] = elements  # which `conform` makes as many
        else:
            raise StreamError(0, self.path, "an array, a list, a string or a buffer", "none of these")

    def remove(self) -> None:
        """Take it away: a subsection, or an element, of which there is one less then."""
        if self.field is None and isinstance(self.value, dict):
            del self.holder[self.key]
        else:
            raise StreamError(0, self.path, "a subsection or an element of an array or list", "a field")

    def add(self, sub: Schema) -> None:
        """Put a subsection where it is declared, all zero. It must not be there yet."""
        values = self.value
        order = {schema.name: i for i, schema in enumerate(self.schema.subsections if self.schema else ())}
        after = [key for key in values if order.get(key.partition("#")[0], -1) > order[sub.name]]
        moved = {key: values.pop(key) for key in after}
        values[sub.name] = {"@version": sub.version}
        values.update(moved)


def rebuilt(payload: Payload, path: str, change: Callable[[Place], None]) -> Payload:
    """The payload with the value at a path changed and everything that depends on it. Raises StreamError."""
    payload = payload.fresh()
    schema = payload.schema
    if schema is None:
        raise StreamError(payload.tree.offset, path, "a schema that explains the section", "none")
    values: Any = payload.tree.values()
    if encode(schema, values, payload.version) != payload.data:
        raise StreamError(
            payload.tree.offset, path, "values that give the same bytes", "others: only raw edits can be made"
        )
    place = _descend(schema, values, find_chain(payload.tree, path), path)
    change(place)
    data = encode(schema, conform(schema, values, payload.version), payload.version)
    return Payload(data, decode(schema, data, payload.tree.offset, payload.version), schema, payload.version)


def with_subsection(payload: Payload, owner: str, sub: Schema) -> Payload:
    """The payload with a subsection, all zero, in the vmsd at a path. Raises StreamError."""
    return rebuilt(payload, owner, lambda place: place.add(sub))


def _descend(schema: Schema, values: dict[str, Any], chain: list[Node], path: str) -> Place:
    """The place at the end of a chain. Containers on the way are copied: equal elements may be one object."""
    place = Place({"": values}, "", Scope(values, None), path, schema=schema)
    inside: Schema | None = schema
    scope = Scope(values, None)
    for node in chain[1:]:
        if node.name in {"@end", "@count"}:
            raise StreamError(node.offset, path, "elements to be added or removed, or a raw edit", node.name)
        container: Any = place.value
        if isinstance(container, dict):
            key: Any = node.name
            field = field_of(inside, key) if inside is not None else None
            inside = field.struct if field is not None else _subsection(inside, key) if inside is not None else None
            if key == "@more":
                container.setdefault(key, 1)
            place = Place(container, key, scope, path, field=field, schema=inside)
        elif isinstance(container, list):
            place = _Element(place, int(node.name[1:-1]), scope, path, schema=inside)
        else:
            raise StreamError(node.offset, path, "a raw edit", "a part of a field that others depend on")
        child: Any = place.value
        if isinstance(child, dict):
            child = place.holder[place.key] = dict(child)
            if isinstance(container, list) and "@more" in child:
                scope = Scope({"@more": child["@more"]}, scope)
            scope = Scope(child, scope)
        elif isinstance(child, list):
            place.holder[place.key] = list(child)
    return place


class _Element(Place):
    """An element of an array or list of structs."""

    __slots__ = ("array",)

    def __init__(self, array: Place, key: int, scope: Scope, path: str, *, schema: Schema | None) -> None:
        super().__init__(array.value, key, scope, path, schema=schema)
        self.array = array

    def remove(self) -> None:
        """One element less: an array's count says so."""
        self.array.set([item for i, item in enumerate(self.array.value) if i != self.key])


def missing_subsections(payload: Payload) -> Iterator[tuple[str, Schema, str]]:
    """Subsections that the schema knows and the payload has not: owner's path, schema, the path it would have."""
    if payload.schema is None:
        return
    stack: list[tuple[Node, Schema, str, bool]] = [(payload.tree, payload.schema, "", True)]
    while stack:
        node, schema, path, is_vmsd = stack.pop()
        if not _has_subsections(schema):
            continue
        children = node.children
        names = {child.name for child in children}
        if is_vmsd:
            yield from ((path, sub, join(path, sub.name)) for sub in schema.subsections if sub.name not in names)
        for child in reversed(children):
            field, inside = (None, schema) if child.type == "element" else _next(schema, child)
            if inside is not None:
                one = field is None or (field.count is None and field.type not in LISTS)
                stack.append((child, inside, join(path, child.name), one))


@by_identity
def _has_subsections(schema: Schema) -> bool:
    return bool(schema.subsections) or any(
        field.struct is not None and _has_subsections(field.struct) for field in schema.fields
    )
