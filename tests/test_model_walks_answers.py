"""A visitor is shown what a walk shows and the walk ends the same, whatever those before it have answered."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.corpus import find_machine
from model import Machine, parse
from model.devices.handler import Handler
from model.walks import Walks
from vmformat import Reader, Refusal, Section, read

if TYPE_CHECKING:
    from vmformat import Field, Plan, Schema

Payload = tuple["Plan", int, int]


@cache
def payloads() -> tuple[bytes, list[Payload]]:
    """A shipped stream, and of each device's payload in it the plan, where it begins, its version."""
    files = find_machine("q35-modern")
    machine = Machine(parse(files.description.read_bytes()))
    data = files.seeds[0].read_bytes()
    found = []
    for record in read(data, machine.schemas).records:
        if isinstance(record, Section):
            handler = machine.find_handler(record.name, record.instance)
            if isinstance(handler, Handler):
                at = data.index(record.name.encode(), record.offset) + len(record.name) + 8
                found.append((handler.plan, at, int.from_bytes(data[at - 4 : at], "big")))
    return data, found


class Scripted:
    """Refuses at the call of number `refuses`, says `local` of whatever is asked."""

    def __init__(self, reader: Reader, refuses: int, local: int) -> None:
        self.reader, self.refuses, self.own = reader, refuses, local
        self.log: list[object] = []

    def _say(self, *what: object) -> Refusal | None:
        number = len(self.log)
        self.log.append((*what, self.reader.pos, self.reader.error))
        return Refusal(22, (f"no {number}",), 0, "") if number == self.refuses else None

    def field(self, schema: Schema, field: Field, path: str, value: object) -> Refusal | None:
        return self._say(schema.name, field.name, path, value)

    def pre_load(self, schema: Schema, path: str, version: int) -> Refusal | None:
        return self._say("pre", schema.name, path, version)

    def post_load(self, schema: Schema, path: str, version: int) -> Refusal | None:
        return self._say("post", schema.name, path, version)

    def local(self, path: str) -> int:
        self._say("local", path)
        return self.own

    def opaque(self, reader: Reader, _schema: Schema, field: Field, path: str) -> Refusal | None:
        reader.skip(field.width)
        return self._say("opaque", path)


def walked(walks: Walks | None, data: bytes, payload: Payload, script: tuple[int, int]) -> tuple[object, ...]:
    plan, at, version = payload
    reader = Reader(data)
    reader.pos = at
    visitor = Scripted(reader, *script)
    load = plan.load if walks is None else lambda *rest: walks.load(plan, *rest)
    refusal = load(reader, version, visitor)
    return refusal, visitor.log, reader.pos, reader._front, reader.error


CALLS = st.one_of(st.just(-1), st.integers(0, 12))
SCRIPT = st.tuples(CALLS, st.sampled_from([0, 2, 2, 255]))


@settings(max_examples=100)
@given(st.integers(0, 200), st.lists(SCRIPT, min_size=2, max_size=5), st.one_of(st.none(), st.integers(0, 400)))
def test_a_visitor_is_shown_what_a_walk_shows(which: int, scripts: list[tuple[int, int]], cut: int | None) -> None:
    data, all_of_them = payloads()
    payload = all_of_them[which % len(all_of_them)]
    if cut is not None:
        data = data[: payload[1] + cut]
    walks = Walks()
    for script in scripts:
        walks.begin()
        assert walked(walks, data, payload, script) == walked(None, data, payload, script)


def test_payloads_with_values_of_the_destination_are_kept_too() -> None:
    data, all_of_them = payloads()
    walks = Walks()
    for _ in range(2):
        walks.begin()
        for payload in all_of_them:
            walked(walks, data, payload, (-1, 2))
    assert sum(len(shelf) for shelf in walks._shelves.values()) > 0.6 * len({*all_of_them})
