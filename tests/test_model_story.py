"""Stories of uses while pending: path, range, what was not seen, both views, what it led to; and how bad that is."""

from __future__ import annotations

import json

import pytest
import tiny

from model import DESIGNS, REFERENCE, Cause, Finding, Machine, Outcome, judge, load
from model.load_state import LoadState
from model.memory import Use, write
from model.outcome import most_severe
from model.paths import Within, call_path
from model.schedule import Schedule
from model.severity import Severity, severity_of

BAR = 0x200_0000
IN_BAR = tiny.HEADER + tiny.blk(command=2, bar=BAR, desc=BAR, avail=BAR + 0x1000, used=BAR + 0x2000) + tiny.EOF
BROKEN = (
    tiny.HEADER
    + tiny.ram({0x1000: tiny.ring(1), 0x2000: tiny.ring(1)})
    + tiny.blk(command=4, desc=0x3000, avail=0x1000, used=0x2000, last_avail=1)
    + tiny.EOF
)
"""Rings that are found through the function's bus-master space, which the section itself switches on."""


@pytest.fixture(scope="module")
def machine() -> Machine:
    """Builds once; reset after each load."""
    return tiny.machine()


def outcomes(machine: Machine, data: bytes, design: str, *, explain: bool) -> tuple[Outcome, tuple[Finding, ...]]:
    """Under a design, with what is wrong with it."""
    reference = load(machine, data, REFERENCE(), explain=explain)
    machine.reset()
    outcome = load(machine, data, DESIGNS[design](), explain=explain)
    machine.reset()
    return outcome, judge(reference, outcome)


def test_the_story_of_a_harmful_read(machine: Machine) -> None:
    _, findings = outcomes(machine, IN_BAR, "wrap-main", explain=True)
    (finding,) = [one for one in findings if one.kind == "harmful read"]
    story = finding.story
    assert story is not None
    assert story.path == (
        "virtio_load", "virtio_init_region_cache", "address_space_cache_init", "address_space_get_flatview",
        "address_space_to_flatview",
    )  # fmt: skip
    assert (story.space, story.start, story.length, story.at) == ("memory", BAR, 0x1000, BAR)
    assert story.section == tiny.SECTION
    assert story.offset == len(tiny.HEADER)
    assert story.unseen == (
        f"memory_region_add_subregion_overlap(pci, {BAR:#x}, virtio-pci, 1) by {tiny.SECTION} at {story.offset:#x}",
    )
    assert [row[2] for row in story.before] == ["pc.ram"]
    assert [row[2] for row in story.after] == ["pc.ram", "virtio-pci"]
    assert story.led_to == ("nothing that shows at the end",)
    assert finding.severity is Severity.INVARIANT


@pytest.fixture(scope="module")
def remapped() -> Machine:
    """The same machine; its device reaches memory through its own address space."""
    functions = tiny.description()["pci"]
    functions[0]["virtio"]["iommu_platform"] = True
    return tiny.machine(pci=functions)


def test_what_it_led_to_is_told_and_makes_its_rank(remapped: Machine) -> None:
    outcome, findings = outcomes(remapped, BROKEN, "wrap-main", explain=True)
    read = next(one for one in findings if one.kind == "harmful read")
    assert read.story is not None
    others = [one for one in findings if one.cause.oracle in {"device-state", "verdict"}]
    assert others, outcome
    assert len(read.story.led_to) == len(others)
    assert read.severity is min(one.severity for one in others)


def test_what_others_read_is_wrong_for_them_whatever_the_load_comes_to(machine: Machine) -> None:
    schedule = Schedule.parse(f"wait 1: vcpu-access {BAR:#x} 4; wait 2: monitor-mtree")
    data = IN_BAR[:-1] + tiny.timer() + tiny.timer() + tiny.EOF
    reference = load(machine, data, REFERENCE(), schedule=schedule)
    machine.reset()
    outcome = load(machine, data, DESIGNS["wrap-main"](), schedule=schedule, explain=True)
    machine.reset()
    found = {one.cause.reader: one for one in judge(reference, outcome) if one.kind == "harmful read"}
    assert found["vcpu-access"].severity is Severity.WRONG_STATE
    assert found["vcpu-access"].story is not None
    assert found["vcpu-access"].story.led_to == ("wrong bytes for whoever read them",)
    assert found["monitor-mtree"].severity is Severity.INVARIANT


def test_a_write_into_what_was_there_before_is_memory_corruption() -> None:
    machine = tiny.machine()
    memory, space = machine.memory, machine.memory_space
    state = LoadState(machine, b"", DESIGNS["wrap-main"](), {}, explain=True)
    memory.getter = state.flat_view
    memory.begin()
    memory.set_enabled(machine.regions["ram-below-4g"], False)
    write(memory, space, 0x1000, b"1234", "msi_send_message")
    (finding,) = state.findings.values()
    assert finding.severity is Severity.MEMORY_CORRUPTION


def test_without_asking_there_is_no_story_and_the_same_outcome(remapped: Machine) -> None:
    told, with_story = outcomes(remapped, BROKEN, "wrap-main", explain=True)
    plain, without = outcomes(remapped, BROKEN, "wrap-main", explain=False)
    assert told == plain
    assert with_story == without
    assert [one.severity for one in with_story] == [one.severity for one in without]
    assert not any(one.story for one in without)


def test_json_has_the_keys_of_the_story(machine: Machine) -> None:
    _, findings = outcomes(machine, IN_BAR, "wrap-main", explain=True)
    shown = json.loads(json.dumps(findings[0].to_json()))
    assert list(shown) == [
        "kind", "cause", "text", "severity", "section", "offset", "path", "space", "range", "differs_at", "unseen",
        "before", "after", "led_to",
    ]  # fmt: skip


PATHS = [
    (
        Use("virtio_init_region_cache", 0, 1, getter="reference"),
        "commit",
        """memory_region_transaction_commit virtio_memory_listener_commit virtio_init_region_cache
        address_space_cache_init address_space_get_flatview address_space_to_flatview""",
    ),
    (
        Use("ahci_map_fis_address", 0, 1),
        "commit",
        """ahci_state_post_load ahci_cond_start_engines ahci_map_fis_address map_page dma_memory_map address_space_map
        address_space_to_flatview""",
    ),
    (
        Use("vtd_get_slpte", 0, 1),
        "",
        """vtd_iova_to_slpte vtd_get_slpte dma_memory_read dma_memory_rw address_space_rw address_space_read_full
        address_space_to_flatview""",
    ),
    (Use("somebody", 0, 1, getter="dispatch"), "", "somebody address_space_to_dispatch address_space_to_flatview"),
]


@pytest.mark.parametrize(("use", "within", "path"), PATHS, ids=[use.reader for use, _, _ in PATHS])
def test_paths(use: Use, within: Within, path: str) -> None:
    assert call_path(use, within) == tuple(path.split())


RANKS = {
    "device-state/caches/derived/virtio-blk": Severity.MEMORY_CORRUPTION,
    "device-state/ahci.dev[0].FIS-area/derived/ich9_ahci": Severity.MEMORY_CORRUPTION,
    "device-state/used/derived/virtio-blk": Severity.WRONG_STATE,
    "layout/flat-view/a->b/memory": Severity.WRONG_STATE,
    "verdict/loader/refused->accepted/stream": Severity.WRONG_STATE,
    "verdict/loader/accepted->hung/stream": Severity.HANG,
    "verdict/loader/accepted->aborted/stream": Severity.ASSERTION,
    "verdict/loader/accepted->refused/stream": Severity.REFUSAL,
    "pairing/loader/transaction-left-open/stream": Severity.WRONG_STATE,
    "pairing/loader/commit-without-begin/stream": Severity.ASSERTION,
    "guard/reader/stopped-benign/stream": Severity.INVARIANT,
    "something/else/entirely/stream": Severity.INVARIANT,
}


@pytest.mark.parametrize(("cause", "severity"), RANKS.items())
def test_ranks(cause: str, severity: Severity) -> None:
    assert severity_of("kind", Cause.parse(f"mine/{cause}")) is severity


def test_the_worst_comes_first() -> None:
    findings = [Finding("kind", Cause.parse(f"mine/{cause}"), "text") for cause in RANKS]
    assert [one.severity for one in most_severe(findings)] == sorted(RANKS.values())
    assert str(Severity.MEMORY_CORRUPTION) == "memory-corruption"
