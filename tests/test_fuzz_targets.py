"""Targets with a fake machine: what becomes a finding, what becomes a fact, and that nothing is raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz.targets import laws, roundtrip, stream
from fuzz.targets.situations import message_kind, of_end
from model import REFERENCE, At, Cause, Design, DeviceState, Finding, Outcome, QueueState, Stage
from vmformat import Configuration, Eof, Header, Stream, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.schedule import Schedule


class Batched(Design):
    name = "batched"


class Fake:
    """A machine that accepts everything but what a test tells it."""

    built = 0

    def __init__(self, answers: dict[tuple[str, bytes], Callable[[], Outcome]]) -> None:
        self.answers = answers
        Fake.built += 1

    def stages(self, data: bytes, design: type[Design], schedule: Schedule, *, loadvm: bool) -> tuple[Stage, ...]:
        answer = self.answers.get((design.name, data))
        first = Stage("load", answer() if answer else Outcome(design.name, "accepted"))
        return (first, Stage("reset", Outcome(design.name, "accepted"))) if loadvm else (first,)

    def live(
        self, data: bytes, design: type[Design], life: str, schedule: Schedule, *, loadvm: bool
    ) -> tuple[Stage, ...]:
        answer = self.answers.get((f"{design.name} {life}", data))
        first = Stage("load", Outcome(design.name, "accepted"))
        return (first, Stage(life, answer() if answer else Outcome(design.name, "accepted")))


HARMFUL = Finding("harmful read", Cause("batched", "flat-view-while-pending", "vring", "region", "virtio-blk"), "stale")
AT = At(77, "0000:00:03.0/virtio-blk", 0, "virtio", ("VQ 0 size 0x100",), "virtio-blk")


def refuse() -> Outcome:
    return Outcome("batched", "refused", AT, True)


def harmful() -> Outcome:
    return Outcome("batched", "accepted", harmful_reads=(("vring", 2),), findings=(HARMFUL,))


def fail() -> Outcome:
    raise IndexError("list index out of range")


@pytest.mark.parametrize(
    ("case", "answer", "causes"),
    [
        ("same", None, []),
        ("verdict", refuse, ["batched/verdict/loader/accepted->refused/virtio-blk"]),
        ("own oracle", harmful, ["batched/flat-view-while-pending/vring/region/virtio-blk"]),
        ("exception", fail, ["batched/exception/test_fuzz_targets.fail/IndexError/-"]),
    ],
)
def test_what_becomes_a_finding(case: str, answer: Callable[[], Outcome] | None, causes: list[str]) -> None:
    answers = {("batched", b"x"): answer} if answer else {}
    target = stream.StreamTarget(lambda: Fake(answers), REFERENCE, [REFERENCE, Batched])
    execution = target.run(b"x")
    assert [found.cause for found in execution.found] == causes, case
    facts = set(execution.features)
    assert ("verdict", "per-device", "accepted") in facts
    for cause in causes:
        assert ("finding" if case != "exception" else "exception", cause) in facts


def test_a_life_beyond_the_load_is_looked_at_if_asked_for() -> None:
    answers = {("batched resume", b"x"): harmful}
    found = []
    for beyond in ((), ("resave",), ("resume", "resave")):
        execution = stream.StreamTarget(lambda: Fake(answers), REFERENCE, [Batched], beyond=beyond).run(b"x")
        found.append([one.cause for one in execution.found])
        facts = {feature[1] for feature in execution.features if feature[0] == "stage"}
        assert facts == set(beyond)
    assert found == [[], [], ["batched/resume-flat-view-while-pending/vring/region/virtio-blk"]]


def test_after_an_exception_the_machine_is_built_anew_and_the_next_input_runs() -> None:
    Fake.built = 0
    target = stream.StreamTarget(lambda: Fake({("batched", b"x"): fail}), REFERENCE, [Batched])
    target.run(b"x")
    assert Fake.built == 2
    assert target.run(b"y").found == ()
    assert Fake.built == 2


def test_facts_are_small_and_carry_no_numbers_of_their_own() -> None:
    queue = QueueState(0, 256, 5, 6, 5, 0)
    outcome = Outcome(
        "batched",
        "refused",
        AT,
        True,
        messages=("VQ 0 size 0x100 Guest index 0x5 inconsistent", "VQ 3 size 0x40 Guest index 0xffff inconsistent"),
        rebuilds=122,
        harmful_reads=(("vring", 3),),
        devices=(DeviceState("s", "virtio-blk", queues=(queue,)),),
    )
    facts = list(of_end(outcome))
    assert ("rebuilds", "batched", 7) in facts
    assert ("harmful", "batched", "vring", 2) in facts
    assert len({fact for fact in facts if fact[0] == "message"}) == 1
    assert list(of_end(outcome)) == facts


def test_kinds_of_messages() -> None:
    assert message_kind("VQ 0 size 0x100") == message_kind("VQ 12 size 0xff")
    assert message_kind("Unknown savevm section type 85") != message_kind("Missing section footer for timer")
    assert message_kind("Unknown ramblock 'pc.ram'") == message_kind("Unknown ramblock 'pc.rom'")


STREAM = write(Stream(Header(), Configuration.build("pc"), (Eof(),), b""))


def every_law() -> roundtrip.RoundtripTarget:
    return roundtrip.RoundtripTarget(thorough=1, memory=1)


@pytest.mark.parametrize("data", [STREAM, b"", STREAM[:9], bytes(100)], ids=["a stream", "nothing", "cut", "zeros"])
def test_roundtrip_finds_nothing_where_vmformat_holds_its_laws(data: bytes) -> None:
    execution = every_law().run(data)
    assert execution.found == ()
    assert execution.features


BROKEN = {
    "write": ("write", lambda stream: STREAM[:-1] + b"!", ["law/tolerant/bytes/stream", "law/write/bytes/stream"]),
    "text": ("bytes_from_text", lambda text: b"", ["law/text/bytes/stream"]),
    "diff": ("diff", lambda one, other: ["a difference"], ["law/diff/bytes/stream"]),
    "an exception": (
        "coverage",
        lambda stream, schemas: fail(),
        ["exception/test_fuzz_targets.fail/IndexError/thorough"],
    ),
    "memory": ("MEMORY_BASE", -(1 << 40), ["law/memory/bytes/stream"]),
}


@pytest.mark.parametrize(("name", "change", "causes"), BROKEN.values(), ids=BROKEN)
def test_roundtrip_holds_vmformat_to_its_laws(
    name: str, change: object, causes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laws, name, change)
    found = every_law().run(STREAM).found
    assert sorted(one.cause for one in found) == [f"vmformat/{cause}" for cause in causes]
