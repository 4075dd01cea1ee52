"""Mutators: same seed same mutant, most mutants parse, each arm does what its name says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fuzz.mutate import ARMS, Dice, Mutator, Places, Scene
from fuzz.mutate import commands as commands_arms
from fuzz.mutate import pci as pci_arms
from fuzz.mutate import ram as ram_arms
from fuzz.mutate import sections as section_arms
from fuzz.mutate import virtio as virtio_arms
from fuzz.mutate.index import index_of, read_leaf
from vmformat import (
    Command,
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
    from collections.abc import Callable

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


def mutants(arm: Arm, stream: Stream, scene: Scene, number: int = 40) -> list[Stream]:
    found = (arm(stream, Dice(seed), scene) for seed in range(number))
    return [mutant for mutant in found if mutant is not None]


@pytest.mark.parametrize("name", ARMS)
def test_each_arm_changes_the_stream_and_never_raises(name: str, stream: Stream, scene: Scene, data: bytes) -> None:
    before = write(stream)
    source = stream
    if name == "unwrap":
        source = next(
            m for m in mutants(commands_arms.wrap, stream, scene) if any(command.package for command in packages(m))
        )
    if name in {"pci-window", "picture"}:
        pytest.skip("neither bridge nor screen in this stream")
    made = mutants(ARMS[name][0], source, scene, 200)
    assert made
    assert any(write(mutant) != write(source) for mutant in made)
    assert write(stream) == before == data


def packages(stream: Stream) -> list[Command]:
    return [record for record in stream.records if isinstance(record, Command)]


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
    for seed in range(600):
        current = mutator.mutate(current, scene.max_size, seed)
        if seed % 20 == 19:
            current = mutator.crossover(data, current, scene.max_size, seed)
    for junk in (b"", b"\0", b"QEVM", bytes(range(256))):
        for seed in range(30):
            assert len(mutator.mutate(junk, 300, seed)) <= 300
            assert len(mutator.crossover(junk, data, 300, seed)) <= 300


def test_a_stream_without_a_full_section_is_among_the_mutants(stream: Stream, scene: Scene) -> None:
    made = mutants(section_arms.thin, stream, scene)
    assert any(not [s for s in mutant.sections if s.kind is Kind.FULL] for mutant in made)


def test_a_package_may_end_by_an_eof_before_the_outer_one(stream: Stream, scene: Scene) -> None:
    made = mutants(commands_arms.wrap, stream, scene)
    assert any(command.package.endswith(b"\0") for mutant in made for command in packages(mutant) if command.package)


def rings(mutant: Stream) -> list[tuple[int, int]]:
    section = mutant.section("0000:00:03.0/virtio-blk")
    assert section is not None
    index = index_of(section)
    assert index is not None
    found = []
    for number in range(2):
        leaves = [index.nth(pattern, number) for pattern in (virtio_arms._DESC, virtio_arms._LAST)]
        assert leaves[0] is not None
        assert leaves[1] is not None
        found.append((read_leaf(section, leaves[0]), read_leaf(section, leaves[1])))
    return found


def test_rings_move_into_memory_that_firmware_switches_with_indices_planted(stream: Stream, scene: Scene) -> None:
    assert rings(stream) == [(0x7F000, 5), (0x6F000, 5)]
    moved = planted = 0
    for mutant in mutants(virtio_arms.ring, stream, scene, 100):
        if any(0xC0000 <= desc < 0x100000 for desc, _ in rings(mutant)):
            moved += 1
            planted += mutant.records[1] != stream.records[1]
    assert moved >= 20
    assert planted >= 10


@pytest.mark.parametrize(
    ("case", "contents", "pages"),
    [
        ("a new page", {0x1002: b"\7\0"}, {0x1000: (2, b"\7\0")}),
        ("an old page keeps what it holds", {0xE8010: b"\7"}, {0xE8000: (0x10, b"\7")}),
        ("across two pages", {0x1FFF: b"ab"}, {0x1000: (0xFFF, b"a"), 0x2000: (0, b"b")}),
        ("beyond RAM", {0x4000000: b"a"}, None),
    ],
)
def test_planting(
    stream: Stream, scene: Scene, case: str, contents: dict[int, bytes], pages: dict[int, tuple[int, bytes]] | None
) -> None:
    mutant = ram_arms.plant(stream, scene, contents)
    if pages is None:
        assert mutant is None, case
        return
    assert mutant is not None
    section = mutant.records[1]
    assert isinstance(section, Section)
    payload = section.payload
    assert payload.endswith(EOS)
    last = {address: payload[at : at + 4096] for _, address, at in ram_arms.pages(payload)}
    for address, (offset, content) in pages.items():
        assert last[address][offset : offset + len(content)] == content
    assert last[0xE8000][2] == 1


def test_subsections_are_found_from_the_bytes() -> None:
    front, parts = virtio_arms._split(virtio_payload())
    assert parts == [b"\x05\x0evirtio/started\0\0\0\1\1"]
    assert front.endswith(b"\0")


def test_pam_is_switched_without_touching_what_is_compared(stream: Stream, scene: Scene) -> None:
    before = stream.section("0000:00:00.0/I440FX")
    assert before is not None
    seen = set()
    for mutant in mutants(pci_arms.chipset, stream, scene):
        after = mutant.section("0000:00:00.0/I440FX")
        assert after is not None
        changed = {i for i, (a, b) in enumerate(zip(before.payload, after.payload, strict=True)) if a != b}
        assert changed <= {*range(0x59, 0x60), 0x72}
        seen |= changed
    assert len(seen) >= 6


@pytest.mark.parametrize(
    "make", [lambda d: d.below(7), lambda d: d.word(64), lambda d: d.low(1000), lambda d: d.few(5)]
)
def test_dice_fall_the_same_way_for_the_same_seed(make: Callable[[Dice], int]) -> None:
    one, other = Dice(3), Dice(3)
    assert [make(one) for _ in range(50)] == [make(other) for _ in range(50)]
    assert len({make(Dice(seed)) for seed in range(50)}) > 3


@pytest.mark.parametrize(
    ("address", "offset", "mask"),
    [(0xC0000, 0x5A, 0x03), (0xC4000, 0x5A, 0x30), (0xEC000, 0x5F, 0x30), (0xE8000, 0x5F, 0x03), (0xF1000, 0x59, 0x30)],
)
def test_the_segment_of_an_address_is_switched(stream: Stream, address: int, offset: int, mask: int) -> None:
    before = stream.section("0000:00:00.0/I440FX")
    assert before is not None
    changed = set()
    for seed in range(20):
        after = pci_arms.pam(stream, Dice(seed), address).section("0000:00:00.0/I440FX")
        assert after is not None
        changed |= {
            (i, (a ^ b) & ~mask) for i, (a, b) in enumerate(zip(before.payload, after.payload, strict=True)) if a != b
        }
    assert changed == {(offset, 0)}
