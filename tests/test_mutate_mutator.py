"""The mutator: the seed decides, most mutants are streams, none is too long, and what it is told is made use of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fuzz.mutate import ARMS, Dice, Mutator, Places, Scene, schedule
from fuzz.mutate.mutator import MOST_ARMS, WAYS
from model.schedule import Schedule, join, split
from vmformat import (
    Configuration,
    Eof,
    Field,
    Header,
    Kind,
    Schema,
    Section,
    Stream,
    StreamError,
    VirtioShape,
    blank,
    encode,
    read,
    virtio_schema,
    write,
)

if TYPE_CHECKING:
    from fuzz.mutate import Arm

SHAPE = VirtioShape("blk", express=False, vectors=2, queues=2)
TIMER = Schema("timer", 2, 2, (Field("ticks", "int64"), Field("unused", "unused_buffer", 8), Field("offset", "int64")))
NORTH = Schema(
    "I440FX",
    3,
    3,
    (
        Field("parent_obj", "struct", struct=Schema("PCIDevice", 2, 1, (Field("config[0]", "pci config", 256),))),
        Field("smm", "uint8"),
    ),
)
SCHEMAS = {
    ("timer", 0): TIMER,
    ("0000:00:00.0/I440FX", 0): NORTH,
    ("0000:00:03.0/virtio-blk", 0): virtio_schema(SHAPE),
}
RAM_LIST = (0x4000000 | 4).to_bytes(8, "big") + b"\6pc.ram" + (0x4000000).to_bytes(8, "big")
EOS = (16).to_bytes(8, "big")
PAGE_AT_E8000 = (0xE8000 | 8).to_bytes(8, "big") + b"\6pc.ram" + bytes(2) + b"\1" + bytes(4093)


def ram(kind: Kind, payload: bytes) -> Section:
    return Section(kind, 2, "ram", 0, 4, payload, None, 2)


def device(name: str, section_id: int, payload: bytes) -> Section:
    schema = SCHEMAS[name, 0]
    return Section(Kind.FULL, section_id, name, 0, schema.version, payload, schema, section_id)


def virtio_payload() -> bytes:
    values: Any = blank(virtio_schema(SHAPE))
    head, queues = values["virtio"]["head"], values["virtio"]["queues"]
    head["features_lo"] = 0x30000000
    queues["num"] = 2
    vq = {"num": 256, "desc": 0x7F000, "last_avail_idx": 5, "vector": 1}
    queues["queue"] = [vq, {**vq, "desc": 0x6F000}]
    started = b"\x05\x0evirtio/started\0\0\0\1\1"
    return encode(virtio_schema(SHAPE), values) + started


@pytest.fixture(scope="module")
def stream() -> Stream:
    config = bytearray(256)
    config[:8] = bytes.fromhex("8680371206010000")
    config[0x59:0x60] = bytes.fromhex("30333333333333")
    records = (
        ram(Kind.START, RAM_LIST + EOS),
        ram(Kind.END, PAGE_AT_E8000 + EOS),
        device("timer", 0, bytes(24)),
        device("0000:00:00.0/I440FX", 5, bytes(config) + b"\1"),
        device("0000:00:03.0/virtio-blk", 9, virtio_payload()),
        Eof(),
    )
    return Stream(Header(), Configuration.build("pc-i440fx-7.2"), records, b"")


@pytest.fixture(scope="module")
def data(stream: Stream) -> bytes:
    built = write(stream)
    assert write(read(built, SCHEMAS)) == built
    return built


@pytest.fixture(scope="module")
def scene(stream: Stream, data: bytes) -> Scene:
    return Scene(Places(64 << 20), (stream,), 2 * len(data) + 65536)


def test_most_mutants_parse_and_the_same_seed_gives_the_same_mutant(data: bytes, scene: Scene) -> None:
    one, other = Mutator(SCHEMAS, scene), Mutator(SCHEMAS, scene)
    parsed = 0
    for seed in range(400):
        mutant = one.mutate(data, scene.max_size, seed)
        assert len(mutant) <= scene.max_size
        if seed % 4 == 0:
            assert other.mutate(data, scene.max_size, seed) == mutant
        try:
            read(mutant, SCHEMAS)
        except StreamError:
            continue
        parsed += 1
    assert parsed >= 320
    used = {name for name, (tried, _) in one.counts().items() if tried}
    assert used >= set(ARMS) - {"unwrap"}


def test_mutations_of_mutants_go_on_without_raising(data: bytes, scene: Scene) -> None:
    mutator = Mutator(SCHEMAS, scene)
    mutator.engine = lambda old, size: old[: size // 2] + b"!"
    current = data
    for seed in range(300):
        current = mutator.mutate(current, scene.max_size, seed)
        if seed % 20 == 19:
            current = mutator.crossover(data, current, scene.max_size, seed)
    for junk in (b"", b"\0", b"QEVM", bytes(range(256))):
        for seed in range(30):
            assert len(mutator.mutate(junk, 300, seed)) <= 300
            assert len(mutator.crossover(junk, data, 300, seed)) <= 300


def learning(scene: Scene, arms: dict[str, tuple[Arm, int]] | None = None) -> Mutator:
    return Mutator(SCHEMAS, scene, arms, learning=True)


def names(data: bytes) -> list[str]:
    try:
        return [section.name for section in read(split(data)[0], SCHEMAS).sections]
    except StreamError:
        return []


def test_equal_calls_and_answers_give_equal_mutants(data: bytes, scene: Scene) -> None:
    def made(stopped: str | None) -> list[bytes]:
        mutator, found = learning(scene), [data]
        for seed in range(40):
            found.append(mutator.mutate(found[-1], scene.max_size, seed))
            mutator.learned(seed % 3, stopped)
        return found

    assert made("") == made("")
    assert made("") != made("timer/0")


def test_without_learning_nobody_is_told_anything(data: bytes, scene: Scene) -> None:
    one, other = Mutator(SCHEMAS, scene), Mutator(SCHEMAS, scene)
    for seed in range(40):
        assert one.mutate(data, scene.max_size, seed) == other.mutate(data, scene.max_size, seed)
        one.learned(0, "timer/0")
    assert one.weights() == other.weights()
    assert "sweep" not in one.counts()


def only(arm: Arm) -> dict[str, tuple[Arm, int]]:
    return {"mine": (arm, 1)}


def test_arms_that_made_a_mutant_are_told_and_counted(data: bytes, scene: Scene) -> None:
    asked = [0]

    def every_other(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
        asked[0] += 1
        return stream.with_records([Eof(0), *stream.records]) if asked[0] % 2 else None

    mutator = Mutator(SCHEMAS, scene, only(every_other))
    made_by = set()
    for seed in range(100):
        mutator.mutate(data, scene.max_size, seed)
        made_by.add(mutator.made_by)
    assert made_by == {("mine",), ("bytes",), ("truncate",)}
    assert mutator.counts()["mine"] == [asked[0], (asked[0] + 1) // 2]
    assert 100 < asked[0] < 100 * MOST_ARMS


def test_an_arm_that_fails_on_what_it_is_given_costs_its_turn_only(data: bytes, scene: Scene) -> None:
    def fails(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
        raise StreamError(0, "here", "a stream", "none")

    mutator = Mutator(SCHEMAS, scene, only(fails))
    assert all(mutator.mutate(data, scene.max_size, seed) != data for seed in range(20))
    assert mutator.counts()["mine"][1] == 0
    assert {*mutator.made_by} <= {"bytes", "truncate"}


def test_a_mutant_that_is_too_long_is_made_of_bytes_in_its_place(data: bytes, scene: Scene) -> None:
    def grows(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
        return stream.with_records([*stream.records, *stream.records])

    mutator = Mutator(SCHEMAS, scene, only(grows))
    for seed in range(20):
        assert len(mutator.mutate(data, len(data), seed)) <= len(data)
        assert {*mutator.made_by} <= {"bytes", "truncate"}


def test_the_engines_own_mutation_is_asked_for_bytes(data: bytes, scene: Scene) -> None:
    asked: list[int] = []

    def engine(old: bytes, size: int) -> bytes:
        asked.append(size)
        return b"of the engine"

    mutator = Mutator(SCHEMAS, scene, only(lambda *_: None))
    mutator.engine = engine
    made = [mutator.mutate(data, 300, seed) for seed in range(60)]
    assert b"of the engine" in made
    assert {*asked} == {300}


# Learning


def test_about_half_of_the_mutants_are_trials_as_long_as_there_are_any(data: bytes, scene: Scene) -> None:
    mutator = learning(scene)
    left = mutator._sweep.left
    swept = 0
    for seed in range(100):
        mutator.mutate(data, scene.max_size, seed)
        swept += mutator.made_by == ("sweep",)
        mutator.learned(1, "")
    assert 30 < swept < 70
    assert mutator.counts()["sweep"] == [swept, swept]
    assert mutator._sweep.left < left


MARK = Section(Kind.FULL, 99, "timer", 0, 2, b"marked".ljust(24, b"!"), TIMER, 99)


def marked(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Adds a section that no seed has."""
    return stream.with_records([MARK, *stream.records])


def is_marked(data: bytes) -> bool:
    return MARK.to_bytes() in data


@pytest.mark.parametrize(
    ("fresh", "stopped", "kept"), [(3, "", True), (0, "", False), (3, "timer/0", False), (3, None, False)]
)
def test_what_loaded_to_its_end_and_showed_something_is_kept_to_begin_with(
    fresh: int, stopped: str | None, kept: bool, data: bytes, scene: Scene
) -> None:
    arms: list[Arm] = [marked]

    def mine(stream: Stream, dice: Dice, own: Scene) -> Stream | None:
        return arms[0](stream, dice, own)

    def ends(stream: Stream, dice: Dice, own: Scene) -> Stream | None:
        return stream.with_records([Eof(0), *stream.records])

    mutator = learning(scene, only(mine))
    assert any(is_marked(mutator.mutate(data, scene.max_size, seed)) for seed in range(50))
    mutator.learned(fresh, stopped)
    arms[0] = ends
    children = 0
    for seed in range(100, 200):
        children += is_marked(mutator.mutate(data, scene.max_size, seed))
        mutator.learned(0, "timer/0")
    assert bool(children) == kept


def test_what_earns_is_chosen_more_often() -> None:
    def good(stream: Stream, dice: Dice, own: Scene) -> Stream | None:
        return stream.with_records([Eof(0), *stream.records])

    def idle(stream: Stream, dice: Dice, own: Scene) -> Stream | None:
        return stream.with_records([*stream.records, Eof(0)])

    small = write(Stream(Header(), Configuration.build("pc"), (MARK, Eof()), b""))
    mutator = learning(Scene(Places(), (), 2000), {"good": (good, 1), "idle": (idle, 1)})
    assert {*WAYS, "good", "idle"} == {*mutator.weights()}
    assert mutator.weights()["good"] == mutator.weights()["idle"]
    for seed in range(700):
        mutator.mutate(small, 2000, seed)
        mutator.learned(int(mutator.made_by == ("good",)), "timer/0")
    weights = mutator.weights()
    assert weights["good"] > 2 * weights["idle"]
    assert weights["arms"] > weights["bytes"]


@pytest.mark.parametrize("schedules", [False, True])
def test_without_a_seed_that_can_be_read_it_goes_on(schedules: bool) -> None:
    mutator = learning(Scene(Places(), (), 500, schedules=schedules))
    for seed in range(200):
        assert len(mutator.mutate(b"QEVM", 400, seed)) <= 400
        assert len(mutator.crossover(b"QEVM", b"\0", 400, seed)) <= 400
        assert len(mutator.tried(400, Dice(seed))) <= 400
        mutator.learned(seed % 2, "")


def test_a_seed_with_trials_is_made_by_nobody_else_and_answers_nothing(data: bytes, scene: Scene) -> None:
    mutator = learning(scene)
    assert any(mutator.mutate(data, scene.max_size, seed) and mutator.made_by == ("sweep",) for seed in range(50))
    left = mutator._sweep.left
    for seed in range(30):
        made = mutator.tried(scene.max_size, Dice(seed))
        assert "timer" in names(made) or "0000:00:03.0/virtio-blk" in names(made)
        assert mutator.made_by == ()
        mutator.learned(1, "timer/0")
    assert mutator._sweep.left == left


# Schedules

STEPS = Schedule.parse("wait 1: vcpu 0x1000 4; ram 0: vcpu 0x2000 8")


@pytest.fixture(scope="module")
def scheduled(stream: Stream, data: bytes) -> Scene:
    return Scene(Places(64 << 20), (stream,), 2 * len(data) + 65536, schedules=True)


def test_a_schedule_is_taken_off_and_put_back_changed_or_lost_now_and_then(data: bytes, scheduled: Scene) -> None:
    mutator = Mutator(SCHEMAS, scheduled)
    same = lost = changed = alone = 0
    for seed in range(400):
        stream, steps = split(mutator.mutate(join(data, STEPS), scheduled.max_size, seed))
        same += steps == STEPS
        lost += not steps
        changed += bool(steps) and steps != STEPS
        alone += stream == data
    assert 200 < same < 360
    assert 20 < lost < 120
    assert 30 < changed < 120
    assert 20 < alone < 80, "the stream is as it was where only its schedule was looked at"
    assert {name for name, (tried, _) in mutator.counts().items() if tried} & {*schedule.ARMS}


@pytest.mark.parametrize("room", [1, 20, 60, 400])
def test_with_a_schedule_it_is_no_longer_than_it_may_be(room: int, data: bytes, scheduled: Scene) -> None:
    mutator = Mutator(SCHEMAS, scheduled)
    whole = join(data[: room // 2], STEPS)
    for seed in range(100):
        assert len(mutator.mutate(whole, room, seed)) <= room
        assert len(mutator.crossover(whole, whole, room, seed)) <= room


def test_where_nobody_looks_at_schedules_there_are_none(data: bytes, scene: Scene) -> None:
    mutator = Mutator(SCHEMAS, scene)
    assert not [seed for seed in range(100) if split(mutator.mutate(data, scene.max_size, seed))[1]]
    assert not {*mutator.counts()} & {*schedule.ARMS}
    assert not {*mutator.weights()} & {*schedule.ARMS}


# Two parents


def test_a_mutant_of_two_has_records_of_both(data: bytes, stream: Stream, scene: Scene) -> None:
    mutator = Mutator(SCHEMAS, scene)
    other = write(stream.with_records([MARK, *stream.records]))
    both = alone = 0
    for seed in range(60):
        found = mutator.crossover(data, other, scene.max_size, seed)
        both += is_marked(found) and len(names(found)) > 2
        alone += not is_marked(found)
        assert mutator.made_by == ("crossover",)
    assert both > 10
    assert alone > 10
    assert mutator.counts()["crossover"][0] == 60


def test_what_was_made_last_is_at_hand_and_what_is_no_stream_is_none(data: bytes, scene: Scene) -> None:
    mutator = Mutator(SCHEMAS, scene)
    made = next(one for seed in range(50) if names(one := mutator.mutate(data, scene.max_size, seed)))
    found = mutator.parse(made)
    assert found is not None
    assert mutator.parse(made) is found
    assert write(found) == made
    assert mutator.parse(b"no stream") is None
    assert mutator.max_size == scene.max_size
