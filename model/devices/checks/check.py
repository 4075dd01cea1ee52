"""What devices refuse, or die of, when they have loaded: conditions on fields, as data.

QEMU's own description of a section carries wire types, not what a device's post-load function tests. Those tests are
`Check`s, kept in tables by family of devices (files beside this one) and keyed by the vmsd whose post-load function
makes them and by the names of the fields they read: never by machine or stream. All were found by loading mutants into
QEMU 7.2, their bounds by bisection against it.

A condition is written as it reads: `lsr & 0x40 == 0`, `doorbell_idx > doorbell_cnt`, `wptr - rptr > 16`. On the left
stands a field, a field masked, or the difference of two; on the right a number or a field. A name is a field of the
check's vmsd, dotted for one in a nested struct. `data[85]` is a byte of a buffer or an element of an array, `data[]`
any of them. All integers have the sign of their wire type; a difference is one of 32 bits, signed.

A check costs nothing unless its section is loaded, and then a dictionary look-up and a compare.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from model.errors import Abort, Hang, Killed
from vmformat import Refusal
from vmformat.plan import join
from vmformat.schema import LISTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from vmformat import Schema

EPERM: Final = 1
EINVAL: Final = 22

End = Literal["refused", "aborted", "killed", "hung", "warned", "unknown"]
Operator = Literal["==", "!=", "<", "<=", ">", ">="]

_TERM: Final = re.compile(
    r"(?P<field>[\w./\[\]-]+)(?: & (?P<mask>\w+)| - (?P<minus>[\w./\[\]-]+))?"
    r" (?P<operator>==|!=|<=|>=|<|>) (?P<than>[\w./\[\]-]+)"
)
REMEMBERED: Final = 500
"""Of each watch, the values of which the distances are remembered."""

_INDEX: Final = re.compile(r"\[\d*\]")
_ELEMENT: Final = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison: `field` (masked by `mask`, or less the field `minus`) against a number or another field."""

    field: str
    operator: Operator
    than: int | str
    mask: int = -1
    minus: str | None = None

    def names(self) -> Iterator[str]:
        """The fields it reads."""
        yield self.field
        if self.minus is not None:
            yield self.minus
        if isinstance(self.than, str):
            yield self.than


@dataclass(frozen=True, slots=True)
class Check:
    """The load ends (`end`) when all of `terms` hold at the end of `vmsd`.

    `says` are the lines that are printed; a field's name in braces stands for its value. `errno` is a refusal's. A
    check whose end is "warned" only prints. For "killed" the line tells people which signal it is. With "unknown" the
    load goes on, and the outcome says that it need not: `says` is what of the device is not known.
    """

    vmsd: str
    terms: tuple[Term, ...]
    says: tuple[str, ...] = ()
    errno: int = EINVAL
    end: End = "refused"


def check(vmsd: str, *conditions: str, says: str = "", errno: int = EINVAL, end: End = "refused") -> Check:
    """A check from its conditions as they read. Raises ValueError on one that is not of the form above."""
    return Check(vmsd, tuple(_term(text) for text in conditions), tuple(says.splitlines()), errno, end)


def _term(text: str) -> Term:
    match = _TERM.fullmatch(text)
    if match is None:
        raise ValueError(f"not a condition: {text}")
    than = match["than"]
    mask = int(match["mask"], 0) if match["mask"] else -1
    operator: Operator = match["operator"]  # type: ignore[assignment]
    return Term(match["field"], operator, int(than, 0) if re.match(r"-?\d", than) else than, mask, match["minus"])


def _compare(operator: Operator, left: int, right: int) -> bool:
    if operator == "==":
        return left == right
    if operator == "!=":
        return left != right
    if operator == "<":
        return left < right
    if operator == "<=":
        return left <= right
    return left > right if operator == ">" else left >= right


def distance(left: int, right: int) -> str:
    """How far two numbers are apart, and in which direction, in seven words.

    One off is told apart from the bound itself, since that is where such conditions are wrong; a profile finer than
    that, bit by bit, is one for passwords.
    """
    apart = abs(left - right)
    if apart == 0:
        return "equal"
    size = "by one" if apart == 1 else "by some" if apart < 16 else "by many"
    return f"{'below' if left < right else 'above'} {size}"


class Watch:
    """The checks of one section handler, and the values that its section brought.

    `checks` are those of each vmsd in its schema, by its path (with empty brackets in arrays), `posts` the names of
    those vmsds, `fields` the (vmsd, field) that they read, by path in `values` once loaded. A field that no section
    brought is 0, which is what devices have at reset in those that are checked.
    """

    def __init__(
        self, checks: Mapping[str, tuple[Check, ...]], posts: frozenset[str], fields: frozenset[tuple[str, str]]
    ) -> None:
        self.checks = checks
        self.posts = posts
        self.fields = fields
        self.values: dict[str, object] = {}
        self._distances: dict[tuple[object, ...], tuple[tuple[str, ...], ...]] = {}

    @property
    def wanted(self) -> set[str]:
        """What a plan must be asked for."""
        return {f"post:{vmsd}" for vmsd in self.posts} | {f"{vmsd}:{name}" for vmsd, name in self.fields}

    def distances(self) -> tuple[tuple[str, ...], ...]:
        """How far what was loaded is from each bound: (vmsd, condition, a few words), the same for equal values."""
        values = (*self.values, *self.values.values())
        known = self._distances.get(values)
        return self._new_distances(values) if known is None else known

    def _new_distances(self, values: tuple[object, ...]) -> tuple[tuple[str, ...], ...]:
        if len(self._distances) >= REMEMBERED:
            self._distances.clear()
        found = [
            (one.vmsd, f"{term.field} {term.operator} {term.than}", distance(left, right))
            for path, checks in self.checks.items()
            if "[]" not in path  # of the elements of an array the check itself tells
            for one in checks
            for term in one.terms
            if not term.field.endswith("[]")
            for left, right in (self._sides(term, path),)
        ]
        known = self._distances[values] = tuple(dict.fromkeys(found))
        return known

    def judge(self, path: str, messages: list[str], not_modelled: set[str]) -> Refusal | None:
        """The vmsd at `path` is complete; warnings go to `messages`, what is not known to `not_modelled`.

        Raises Abort, Killed or Hang where the program dies.
        """
        for one in self.checks.get(_ELEMENT.sub("[]", path) if "[" in path else path, ()):
            if all(self._holds(term, path) for term in one.terms):
                if one.end == "unknown":
                    not_modelled.add(f"{one.vmsd}: {one.says[0]}")
                    continue
                refusal = self._end(one, path, messages)
                if refusal is not None:
                    return refusal
        return None

    def _end(self, one: Check, path: str, messages: list[str]) -> Refusal | None:
        lines = tuple(re.sub(r"\{(.*?)\}", lambda found: str(self._value(found[1], path)), line) for line in one.says)
        if one.end == "warned":
            messages.extend(lines)
            return None
        if one.end == "refused":
            return Refusal(one.errno, lines, 0, f"{path}.{one.terms[0].field}" if path else one.terms[0].field)
        text = "\n".join(lines)
        if one.end == "hung":
            raise Hang
        raise (Killed if one.end == "killed" else Abort)(text)

    def _holds(self, term: Term, path: str) -> bool:
        if term.field.endswith("[]"):
            right = term.than if isinstance(term.than, int) else self._value(term.than, path)
            every = self.values.get(f"{path}.{term.field[:-2]}" if path else term.field[:-2], ())
            assert isinstance(every, (bytes, tuple))
            return any(_compare(term.operator, value & term.mask, right) for value in every)
        return _compare(term.operator, *self._sides(term, path))

    def _sides(self, term: Term, path: str) -> tuple[int, int]:
        """The two numbers that are compared."""
        left = self._value(term.field, path) & term.mask
        if term.minus is not None:
            left = (left - self._value(term.minus, path) + 0x8000_0000) % 0x1_0000_0000 - 0x8000_0000
        return left, term.than if isinstance(term.than, int) else self._value(term.than, path)

    def _value(self, name: str, path: str) -> int:
        at = f"{path}.{name}" if path else name
        value = self.values.get(at)
        if value is None and name.endswith("]"):
            at, _, index = at[:-1].rpartition("[")
            whole = self.values.get(at, b"")
            assert isinstance(whole, (bytes, tuple))
            value = whole[int(index)] if int(index) < len(whole) else 0
        return value if isinstance(value, int) else 0


def watch_for(schema: Schema, table: Mapping[str, tuple[Check, ...]]) -> Watch | None:
    """The checks of `table` that concern a schema; None if none does."""
    found: dict[str, tuple[Check, ...]] = {}
    posts: set[str] = set()
    fields: set[tuple[str, str]] = set()
    for vmsd, path in _vmsds(schema, ""):
        for one in table.get(vmsd.name, ()):
            names = {_INDEX.sub("", name) for term in one.terms for name in term.names()}
            read = {name: set(_named(vmsd, name)) for name in names}
            # Two vmsds may share a name, and subsections may be unknown.
            if all(places or "/" in name for name, places in read.items()):
                found[path] = (*found.get(path, ()), one)
                fields |= set().union(*read.values())
                posts.add(vmsd.name)
    return Watch(found, frozenset(posts), frozenset(fields)) if found else None


def _vmsds(schema: Schema, path: str) -> Iterator[tuple[Schema, str]]:
    """Every vmsd of a schema and its path, as a plan has it."""
    yield schema, path
    for field in schema.fields:
        if field.struct is not None:
            several = field.count is not None or field.type in LISTS
            yield from _vmsds(field.struct, join(path, field.name) + ("[]" if several else ""))
    for sub in schema.subsections:
        yield from _vmsds(sub, join(path, sub.name))


def _named(schema: Schema, name: str) -> Iterator[tuple[str, str]]:
    """The vmsd and field that a dotted name means, seen from a schema."""
    for field in schema.fields:
        if field.name == name:
            yield schema.name, name
        elif field.struct is not None and name.startswith(f"{field.name}."):
            yield from _named(field.struct, name[len(field.name) + 1 :])
    for sub in schema.subsections:
        if name.startswith(f"{sub.name}."):
            yield from _named(sub, name[len(sub.name) + 1 :])


def by_vmsd(checks: Iterable[Check]) -> Mapping[str, tuple[Check, ...]]:
    """A table of checks, in their order."""
    table: dict[str, tuple[Check, ...]] = {}
    for one in checks:
        table[one.vmsd] = (*table.get(one.vmsd, ()), one)
    return table
