"""Checks as data: how a condition reads, when it holds, what then happens; and that the tables name real fields."""

from __future__ import annotations

import pytest
from mutants import PC, Case, Cases, header, leaf_of, machine, put
from mutants import check as hold
from mutants import section as edit_section

from model.devices.checks import CHECKS, Check, Watch, watch_for
from model.devices.checks.check import by_vmsd, check
from model.devices.handler import Handler
from model.errors import Abort, Hang, Killed
from vmformat import Count, Field, Reader, Refusal, Schema, Section, SilentVisitor, Stream, compile_plan

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
        self.unknown: set[str] = set()

    def field(self, schema: Schema, field: Field, path: str, value: object) -> Refusal | None:
        assert (schema.name, field.name) in self.watch.fields
        self.watch.values[path] = value
        return None

    def post_load(self, _schema: Schema, path: str, _version: int) -> Refusal | None:
        return self.watch.judge(path, self.said, self.unknown)


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
    unknown = judged(check("d", "n > 1", says="who knows", end="unknown"), n=2)
    assert (unknown.said, unknown.unknown) == ([], {"d: who knows"})
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


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"event_int_idx": 24, "txq_num": 8, "rxq_num": 8}, ""),
        ({"event_int_idx": 25, "txq_num": 9}, "refused"),
        ({"event_int_idx": 25}, "hardware error: Bad interrupt index: 25"),
        ({"txq_num": 1, "second": 30}, ""),
        ({"txq_num": 2, "second": 30}, "hardware error: Bad interrupt index: 30"),
        ({"max_tx_frags": 0x7FFFFFFF, "txq_num": 9}, "failed to allocate"),
    ],
)
def test_vmxnet3(fields: dict[str, int], said: str) -> None:
    queues = Schema("q", 1, 1, (Field("intr_idx", "uint8"),))
    names = ("max_tx_frags", "event_int_idx", "txq_num", "rxq_num")
    plain = tuple(Field(name, "uint32") for name in names)
    arrays = tuple(Field(name, "struct", count=8, struct=queues) for name in ("txq_descr", "rxq_descr"))
    watch = watch_for(Schema("vmxnet3", 1, 1, (*plain, *arrays)), CHECKS)
    assert watch is not None
    watch.values |= {name: fields.get(name, 0) for name in names} | {"txq_descr[1].intr_idx": fields.get("second", 0)}
    if " " in said:
        with pytest.raises(Abort, match=said):
            watch.judge("", [], set())
    else:
        assert ("" if watch.judge("", [], set()) is None else "refused") == said


def test_what_is_no_condition() -> None:
    with pytest.raises(ValueError, match="not a condition"):
        check("d", "n is large")


CPU, LSI, MPT, ESP, SERIAL, CODEC = "cpu", "lsiscsi", "mptsas", "pciespscsi", "serial", "hda-audio"
ATTIC = "pc-attic"


def attic(device: str, path: str, value: int, verdict: str = "accepted", text: str = "") -> Case:
    return Case(put(device, path, value), verdict, text, machine=ATTIC)


def requests(adapter: str, count: int, verdict: str = "accepted", text: str = "") -> Case:
    """The byte that announces requests, in the section of the disk behind an adapter: it follows the sense's length."""

    def edit(found: Stream) -> Stream:
        place = next(r.name for r in found.sections if r.name.endswith(adapter)).rpartition("/")[0]
        disk = next(r.name for r in found.sections if r.name.startswith(place) and r.name.endswith("/scsi-disk"))

        def change(section: Section) -> Section:
            return section.replace_bytes(leaf_of(section, "qdev.sense_len").offset + 4, bytes([count]))

        return edit_section(disk, change)(found)

    return Case(edit, verdict, text, machine=ATTIC)


CASES: Cases = {
    # the mutants of machines with old devices
    **{f"LSI message of {n}": attic(LSI, "msg_len", n, *end) for n, end in {
        8: (), 9: ("refused", "Invalid argument"), 0x80000000: ("refused", "Invalid argument"),
    }.items()},
    **{f"MPT {name} {n}": attic(MPT, name, n, *(() if good else ("refused", "Invalid argument"))) for name, n, good in (
        ("diagnostic_idx", 4, True), ("diagnostic_idx", 5, False),
        ("request_post_head", 129, True), ("request_post_head", 130, False), ("request_post_tail", 130, False),
        ("reply_post_head", 130, False), ("reply_post_tail", 130, False),
        ("reply_free_head", 130, False), ("reply_free_tail", 0xFFFF, False),
        ("doorbell_idx", 0xFFFFFFFF, True), ("doorbell_idx", 0x7FFFFFFF, False),
        ("doorbell_cnt", 256, True), ("doorbell_cnt", 257, False), ("doorbell_cnt", 0xFFFFFFFF, False),
        ("doorbell_reply_size", 256, True), ("doorbell_reply_size", 257, False),
    )},
    **{f"ESP of version {n}": attic(ESP, "esp.mig_version_id", n, *end) for n, end in {
        0: ("refused", "Missing section footer"), 5: ("refused", "Missing section footer"), 6: (), 200: (),
    }.items()},
    "ESP section of version 1": Case(header(ESP, version=1), machine=ATTIC),
    "serial port, shift register full": attic(SERIAL, "lsr", 0, "refused", "tsr not empty, tsr_retry=0"),
    "serial port, shift register empty": attic(SERIAL, "lsr", 0x40),
    "HDA stream 15": attic(CODEC, "st[0].stream", 15),
    "HDA stream -16 of an output": attic(CODEC, "st[0].stream", 0xFFFFFFF0),
    "HDA stream far away": attic(CODEC, "st[0].stream", 0xFFFFFFEF, "aborted"),
    "HDA stream -1 of an input": attic(CODEC, "st[1].stream", 0xFFFFFFFF, "aborted"),
    "HDA stream -1 of nothing": attic(CODEC, "st[2].stream", 0xFFFFFFFF),
    "AC97 of old": Case(header("ac97", version=2), "refused", "Missing section footer", machine=ATTIC),
    "EEPROM of old": Case(header("eeprom", version=20061112), "refused", "Missing section footer", machine=ATTIC),
    "EEPROM older than that": Case(header("eeprom", version=1), "refused", "too old", machine=ATTIC),
    "i82550 of old": Case(header("i82550", version=2), machine=ATTIC),
    **{f"{n} requests behind {adapter}": requests(adapter, n, *end) for adapter, n, end in (
        (LSI, 1, ("refused", "Missing section footer")), (LSI, 0x80, ()),
        (ESP, 2, ("refused", "Missing section footer")),
        ("megasas", 1, ("aborted",)), (MPT, 1, ("hung",)),
        ("usb-storage", 1, ("aborted", "usb_msd_load_request: Assertion `s->req == NULL' failed.")),
    )},
    "wildcard for the parallel port": Case(header("parallel_isa", instance=0xFFFFFFFF), machine=ATTIC),
    "floating point registers of old": Case(
        put(CPU, "env.fpregs_format_vmstate", 1), "refused", "Unsupported old non-softfloat CPU state"
    ),
    "guest mode": Case(put(CPU, "env.hflags", 1 << 21), "refused", "vCPU set in guest-mode inconsistent"),
    "all flags but guest mode": Case(put(CPU, "env.hflags", 0xFFFFFFFF & ~(1 << 21))),
    # any machine
    "guest mode, and registers of old": Case(
        lambda found: put(CPU, "env.hflags", 1 << 21)(put(CPU, "env.fpregs_format_vmstate", 1)(found)), "refused"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    hold(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()


def test_a_reset_forgets_values() -> None:
    bench = machine(PC)
    hold(Case(put(CPU, "env.hflags", 1 << 21), "refused", machine=PC))
    watches = [handler.watch for handler in bench.handlers if isinstance(handler, Handler)]
    assert any(watches)
    assert not any(watch.values for watch in watches if watch is not None)
