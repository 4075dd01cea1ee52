"""Checks as data: how a condition reads, when it holds, what then happens; and that the tables name real fields."""

from __future__ import annotations

import pytest
from mutants import PC, Case, Cases, Seen, machine, put
from mutants import check as hold

from model.devices.checks import Check, Watch, by_vmsd, check, watch_for
from model.devices.handler import Handler
from model.errors import Abort, Hang, Killed
from vmformat import Count, Field, Reader, Refusal, Schema, SilentVisitor, compile_plan

PORT = Schema(
    "d",
    1,
    1,
    (
        Field("n", "int32"),
        Field("limit", "uint32"),
        Field("small", "uint8"),
        Field("raw", "buffer", 3),
        Field("list", "uint16", count=2),
    ),
    (Schema("d/more", 1, 1, (Field("extra", "int32"),)),),
)
SCHEMA = Schema("d", 1, 1, (Field("count", "uint8"), Field("port", "struct", count=Count("count"), struct=PORT)))


class Visitor(SilentVisitor):
    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.said: list[str] = []

    def field(self, schema: Schema, field: Field, path: str, value: object) -> Refusal | None:
        assert (schema.name, field.name) in self.watch.fields
        self.watch.values[path] = value
        return None

    def post_load(self, _schema: Schema, path: str, _version: int) -> Refusal | None:
        return self.watch.judge(path, self.said)


def judged(*checks: Check, n: int = 0, limit: int = 0, small: int = 0, raw: bytes = b"abc", second: int = 0) -> Visitor:
    watch = watch_for(SCHEMA, by_vmsd(checks))
    assert watch is not None
    visitor = Visitor(watch)
    zeros = bytes(4 + 4 + 1 + 3 + 4)
    port = n.to_bytes(4, "big", signed=True) + limit.to_bytes(4, "big") + bytes([small]) + raw + bytes(2)
    data = b"\2" + zeros + port + second.to_bytes(2, "big") + b"\0"
    refusal = compile_plan(SCHEMA, frozenset(watch.wanted)).load(Reader(data), 1, visitor)
    visitor.said += [] if refusal is None else [f"{refusal.errno} {refusal.field}", *refusal.messages]
    return visitor


@pytest.mark.parametrize(
    ("condition", "values", "holds"),
    [
        ("n > 3", {"n": 3}, False),
        ("n > 3", {"n": 4}, True),
        ("n >= 4", {"n": 4}, True),
        ("n < 0", {"n": -1}, True),
        ("n <= -2", {"n": -1}, False),
        ("n == -1", {"n": -1}, True),
        ("n != 0", {"n": 7}, True),
        ("n != 0", {}, False),
        ("small & 0x40 != 0", {"small": 0x4F}, True),
        ("small & 0x40 != 0", {"small": 0xBF}, False),
        ("n > limit", {"n": 5, "limit": 4}, True),
        ("n > limit", {"n": 5, "limit": 5}, False),
        ("limit - n > 16", {"limit": 20, "n": 3}, True),
        ("limit - n > 16", {"limit": 0x8000_0000}, False),
        ("raw[1] == 98", {}, True),
        ("raw[1] == 99", {}, False),
        ("raw[7] != 0", {}, False),
        ("list[1] == 9", {"second": 9}, True),
        ("list[] == 9", {"second": 9}, True),
        ("list[] == 9", {"second": 8}, False),
        ("raw[] > 98", {}, True),
    ],
)
def test_conditions(condition: str, values: dict[str, int], holds: bool) -> None:
    found = judged(check("d", condition, errno=5), **values)  # type: ignore[arg-type]
    assert bool(found.said) == holds
    if holds:
        assert found.said[0].startswith("5 port[1].")


def test_all_conditions_must_hold_and_the_first_check_decides() -> None:
    checks = (
        check("d", "n > 1", "small == 1", says="both"),
        check("d", "n > 1", says="n is {n}\nand small {small}"),
    )
    assert judged(*checks, n=2, small=1).said[1] == "both"
    assert judged(*checks, n=2, small=3).said[1:3] == ["n is 2", "and small 3"]
    assert not judged(*checks, n=1, small=1).said


def test_ends() -> None:
    assert judged(check("d", "n > 1", says="hm", end="warned"), n=2).said == ["hm"]
    with pytest.raises(Abort, match="Assertion"):
        judged(check("d", "n > 1", says="Assertion", end="aborted"), n=2)
    with pytest.raises(Killed, match="SIGSEGV"):
        judged(check("d", "n > 1", says="SIGSEGV", end="killed"), n=2)
    with pytest.raises(Hang):
        judged(check("d", "n > 1", end="hung"), n=2)


def test_a_check_concerns_the_vmsd_that_has_its_fields() -> None:
    watch = watch_for(SCHEMA, by_vmsd([check("d", "n > 1", "d/more.extra == 0"), check("d", "count > 5")]))
    assert watch is not None
    assert watch.fields == {("d", "n"), ("d", "count"), ("d/more", "extra")}
    assert len(watch.checks) == 2
    assert watch_for(SCHEMA, by_vmsd([check("d", "other > 1"), check("e", "n > 1")])) is None


def test_what_is_no_condition() -> None:
    with pytest.raises(ValueError, match="not a condition"):
        check("d", "n is large")


CPU = "cpu"

CASES: Cases = {
    "floating point registers of old": Case(
        put(CPU, "env.fpregs_format_vmstate", 1), "refused", "Unsupported old non-softfloat CPU state"
    ),
    "guest mode": Case(put(CPU, "env.hflags", 1 << 21), "refused", "vCPU set in guest-mode inconsistent"),
    "all flags but guest mode": Case(put(CPU, "env.hflags", 0xFFFFFFFF & ~(1 << 21))),
    "guest mode, and registers of old": Case(
        lambda found: put(CPU, "env.hflags", 1 << 21)(put(CPU, "env.fpregs_format_vmstate", 1)(found)), "refused"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    hold(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, seen: dict[str, tuple[Seen, Seen]]) -> None:
    model, real = seen[name]
    assert model == real


def test_a_reset_forgets_values() -> None:
    bench = machine(PC)
    hold(Case(put(CPU, "env.hflags", 1 << 21), "refused", machine=PC))
    watches = [handler.watch for handler in bench.handlers if isinstance(handler, Handler)]
    assert any(watches)
    assert not any(watch.values for watch in watches if watch is not None)
