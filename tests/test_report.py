"""A finding as a letter: it says what goes wrong, it can be sent, and whoever gets it can show it again."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bloated import FOLDER
from hypothesis import given
from hypothesis import strategies as st

from fuzz import cli, qemu
from fuzz.campaign.findings import FindingStore, Origin, cause_id
from fuzz.engine import Execution, Found
from fuzz.letter import case as cases
from fuzz.letter.attachment import attachment_part
from fuzz.letter.design import about, gist
from fuzz.letter.letter import WIDEST, block, escaped, listed
from fuzz.letter.words import RANKS, STAGES, sentence, title_of
from fuzz.programs import encode, from_text
from fuzz.targets.memory import MemoryTarget
from fuzz.targets.roundtrip import RoundtripTarget
from model import DESIGNS, REFERENCE, Cause, Finding, Outcome
from model.outcome import At
from model.severity import STAGES as ALL_STAGES
from model.severity import Severity

if TYPE_CHECKING:
    from collections.abc import Callable

TITLES = {
    "wrap-main-breaks-device": "# [wrap-main] virtio-blk: marked broken by a load that goes well today",
    "v3-too-late-to-refuse": "# [v3-runstate] virtio-blk: a stream that must be refused is accepted "
    '("VQ 0 size 0x100 < last_avail_idx 0x200 - used_idx 0x0")',
    "wrap-main-ends-with-another-layout": "# [wrap-main] the flat view of vtd-root differs after the load: vtd-dmar "
    "instead of hpet, intel_iommu, ioapic",
    "threaded-turn-is-overruled": "# [threaded-sections] the flat view of memory differs after the load: msix-pba, "
    "msix-table elsewhere",
    "v1-reset-changes-nothing": "# [v1-flag-eof] the flat view of I/O differs after the load: io, pic instead of "
    "bmdma, io, piix-bmdma",
}

PROGRAM = """world board
load
disable bus
cache c0 memory 0x1000 0x800 r
"""


@pytest.fixture
def report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command, in an empty folder: exit status, what it prints, and what it complains of."""

    def run(*words: str, command: str = "report") -> tuple[int, str, str]:
        (tmp_path / "here").mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / "here")
        monkeypatch.setattr("sys.argv", ["vmfuzz", command, *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(str(ended.value.code)), said.out, said.err

    return run


def crasher(name: str) -> str:
    return str(FOLDER / f"{name}.vmstate")


@pytest.mark.parametrize("name", TITLES)
def test_a_letter_can_be_sent_and_shows_it_again(name: str, report: Any, tmp_path: Path) -> None:
    status, said, _ = report(crasher(name))
    assert status == 0
    text = (tmp_path / "here" / f"{name}.md").read_text()
    title, _, _ = text.partition("\n")
    assert title == TITLES[name]
    assert said.strip() == f"{name}.md: {title.removeprefix('# ')}"
    for head in ("What happens", "The memory map", "What the design changes", "Other designs", "To see it again"):
        assert f"\n## {head}" in text
    assert str(Path.cwd()) not in text
    assert str(FOLDER) not in text
    drawn = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert all(len(line) <= WIDEST for one in drawn for line in one.splitlines())
    # The file comes out of the letter as it went in, and the first command of the letter shows the cause.
    shell = [one for one in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE) if "base64" in one]
    subprocess.run(["sh", "-e", "-c", shell[-1]], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / f"{name}.vmstate").read_bytes() == Path(crasher(name)).read_bytes()
    found = re.search(r"^vmfuzz load ((?:.*\\\n)*.*)", text, re.MULTILINE)
    assert found is not None
    words = shlex.split(found[1].replace("\\\n", " "))
    cause = re.search(r"^\* cause: `(.*)`$", text, re.MULTILINE)
    assert cause is not None
    _, shown, _ = report(str(tmp_path / words[0]), *words[1:], "--json", command="load")
    assert cause[1] in {one["cause"] for one in json.loads(shown)["outcomes"][0]["findings"]}


def test_the_same_letter_each_time_wherever_it_is_written(report: Any, tmp_path: Path) -> None:
    name = "threaded-batch-foreign-commit"
    shutil.copytree(FOLDER, tmp_path / "kept", ignore=lambda _, names: [n for n in names if name not in n])
    _, first, _ = report(crasher(name), "-o", "-")
    _, second, _ = report(str(tmp_path / "kept" / f"{name}.json"), "-o", "-")
    assert first == second


def test_the_story_is_told_in_order(report: Any) -> None:
    _, text, _ = report(crasher("wrap-main-breaks-device"), "-o", "-")
    text = text[text.index("## What happens") :]
    told = [
        "1. `0000:00:00.0/I440FX`, the record at 0x2056, is loaded.",
        "memory_region_set_enabled(pam-pci at 0xf0000, on)",
        "2. The transaction is still open",
        "virtio_load -> virtio_init_region_cache -> address_space_cache_init ->",
        "What is wrong in the end, under `wrap-main`:",
        "* 0000:00:02.0/virtio-blk: broken is True, not False",
        "VQ 0 size 0x100 Guest index 0x0 inconsistent with Host index 0x100: delta 0xff00",
        "  use 000fc000-000fcfff  ! pc.bios @3c000 ro       pc.ram @fc000",
    ]
    places = [text.index(line) for line in told]
    assert places == sorted(places)


def test_a_finding_of_a_schedule_says_who_acts_when(report: Any) -> None:
    _, text, _ = report(crasher("threaded-turn-is-overruled"), "-o", "-")
    flat = " ".join(text.split())
    assert "under `per-device` at end: done, under `threaded-sections` at turn 0: done" in flat
    assert "--schedule 'turn 0: vcpu-remap 0000:00:02.0 1 0x20000000'" in flat


def test_parts_as_values(report: Any) -> None:
    status, said, _ = report(crasher("wrap-main-breaks-device"), "--json")
    assert status == 0
    values = json.loads(said)
    assert values["cause"] == "wrap-main/device-state/broken/derived/virtio-blk"
    assert values["severity"] == "wrong-state"
    assert values["stream"]["size"] == 8980
    assert [one["name"] for one in values["stream"]["sections"]] == [
        "ram",
        "0000:00:00.0/I440FX",
        "0000:00:02.0/virtio-blk",
    ]
    assert (
        values["stream"]["sha256"] == hashlib.sha256(Path(crasher("wrap-main-breaks-device")).read_bytes()).hexdigest()
    )
    assert {one["design"] for one in values["designs"]} == set(DESIGNS)
    assert values["story"]["stories"][0]["path"][0] == "virtio_load"
    assert "confirmed" not in values


def test_the_worst_comes_first_and_another_may_be_asked_for(report: Any) -> None:
    stream = crasher("wrap-main-breaks-device")
    cause = "wrap-main/flat-view-while-pending/virtio_init_region_cache/region:rom-to-ram/virtio-blk"
    _, text, _ = report(stream, "--cause", cause, "-o", "-")
    assert text.startswith("# [wrap-main] virtio-blk: virtio_init_region_cache() uses a flat view from before")
    _, text, _ = report(stream, "--design", "assert-depth", "-o", "-")
    assert text.startswith("# [assert-depth] virtio-blk: QEMU dies of a stream that loads today")


def test_any_stream_has_a_letter(report: Any) -> None:
    words = ["-d", "wrap-main", "--schedule", "wait 27: vcpu-remap 0000:00:03.0 1 0xe0000000"]
    status, said, _ = report("pc-small/after", *words)
    assert status == 0
    assert said.startswith("pc-small-after.md: [wrap-main] ")


UNUSABLE = {
    "no such file": ["nowhere"],
    "no machine": ["SELF"],
    "nothing wrong": [crasher("v1-eof-without-full-section"), "-d", "per-device"],
    "no such cause": [crasher("v1-eof-without-full-section"), "--cause", "wrap-main/a/b/c/d"],
    "not a cause": [crasher("v1-eof-without-full-section"), "--cause", "wrap-main"],
    "no such design": [crasher("v1-eof-without-full-section"), "-d", "wrapped"],
    "no such folder": [crasher("v1-eof-without-full-section"), "-o", "nowhere/a.md"],
    "a whole campaign": ["CAMPAIGN"],
    "no such step": ["pc-small/after", "--schedule", "wait"],
    "a schedule cannot be confirmed": [crasher("threaded-turn-is-overruled"), "--confirm"],
    "nor a snapshot": [crasher("v1-reset-changes-nothing"), "--confirm"],
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_be_used_is_one_line(case: str, report: Any, tmp_path: Path) -> None:
    (tmp_path / "stream").write_bytes(b"QEVM")
    (tmp_path / "campaign").mkdir()
    (tmp_path / "campaign" / "campaign.json").write_text("{}")
    names = {"SELF": str(tmp_path / "stream"), "CAMPAIGN": str(tmp_path / "campaign")}
    status, out, err = report(*(names.get(word, word) for word in UNUSABLE[case]))
    assert status == 2
    assert out == ""
    assert err.startswith("vmfuzz report: ")
    assert err.count("\n") == 1
    assert list((tmp_path / "here").iterdir()) == []


def keep(folder: Path, target: str, machine: str, found: Found, data: bytes) -> Path:
    store = FindingStore(folder / "findings")
    assert store.keep(found, data, Origin(machine, target, 1)) == "new"
    return folder / "findings" / cause_id(found.cause)


def test_a_program_has_a_letter_too(report: Any, tmp_path: Path) -> None:
    data = encode(from_text(PROGRAM))
    found = next(one for one in MemoryTarget([DESIGNS["wrap-main"]]).run(data).found if "cache_init" in one.cause)
    place = keep(tmp_path, "memory", "", found, data)
    for typed in (place, place / "witness.txt"):
        status, text, _ = report(str(typed), "-o", "-")
        assert status == 0
        assert text.startswith(
            "# [wrap-main] address_space_cache_init() gets a flat view from before pending changes\n"
        )
    assert f"cat > witness.txt <<'END'\n{PROGRAM}END\n" in text
    assert "No stream and no machine take part" in text
    (tmp_path / "one.txt").write_text(PROGRAM)
    status, said, _ = report(str(tmp_path / "one.txt"))
    assert (status, said.partition(":")[0]) == (0, "one.md")
    status, _, err = report(str(tmp_path / "one.txt"), "--cause", "wrap-main/a/b/c/d")
    assert (status, err.count("\n")) == (2, 1)


def test_a_fault_of_the_parser_has_a_letter_that_says_so(
    report: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Found("roundtrip", "vmformat/law/write/bytes/stream", "first difference at 0x8, 9 bytes and 8")
    place = keep(tmp_path, "roundtrip", "pc-small", found, b"QEVM\0\0\0\3\0")
    status, _, err = report(str(place))
    assert (status, err) == (2, f"vmfuzz report: {place}: vmformat keeps all its promises on it\n")
    monkeypatch.setattr(RoundtripTarget, "run", lambda _self, _data: Execution((), (found,)))
    status, text, _ = report(str(place), "-o", "-")
    assert status == 0
    assert text.startswith("# vmformat: the law `write` does not hold\n")
    assert "This is a fault of vmformat." in text


def test_an_exception_of_the_model_has_a_letter_that_says_so(report: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_words: object, progress: Callable[[str], None], **_others: object) -> None:
        progress("wrap-main")
        raise KeyError("lost")

    monkeypatch.setattr(cases, "load_all", raises)
    status, text, _ = report("pc-small/after", "-o", "-")
    assert status == 0
    assert text.startswith("# vmfuzz: KeyError in ")
    assert "wrap-main/exception/" in text


def test_what_ends_its_process_is_told_and_not_run(
    report: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "load_all", lambda *_, **__: pytest.fail("it is not to be run"))
    found = Found("hang", "any/hang/loader.run/native/-", "not done after 60 seconds, in loader.run", severity="hang")
    place = keep(tmp_path, "stream", "pc-small", found, b"QEVM")
    status, text, _ = report(str(place), "-o", "-")
    assert status == 0
    assert text.startswith("# vmfuzz: hang in loader.run\n\nvmfuzz hangs on an input of 4 bytes: not done after 60")


def test_a_design_of_ones_own_is_told_by_its_file(report: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from model.designs.wrap_main import WrapMain\n\n\nclass Mine(WrapMain):\n"
        '    """As `wrap-main`, by me. And more (designs.md 2)."""\n\n    name = "mine"\n'
    )
    typed = f"{tmp_path / 'mine.py'}:Mine"
    status, text, _ = report(crasher("wrap-main-breaks-device"), "-d", typed, "-o", "-")
    assert status == 0
    assert "* design: `mine`: As `wrap-main`, by me\n" in text
    assert "* `wrap-main`: Begin and commit in the main loop itself" in text


@pytest.mark.qemu
def test_only_what_was_done_in_a_real_qemu_is_said(report: Any) -> None:
    try:
        qemu.find_binary(qemu.DEFAULT_BINARY)
    except qemu.QemuError as error:
        pytest.skip(str(error))
    status, text, _ = report(crasher("wrap-main-breaks-device"), "--confirm", "-o", "-")
    assert status == 0
    assert "## In a real QEMU\n\n* QEMU emulator version" in text
    assert "as it is: accepted." in " ".join(text.split())


# The pieces


def finding(oracle: str, reader: str, change: str, device: str, text: str) -> Finding:
    return Finding("divergence", Cause("d", oracle, reader, change, device), text)


ACCEPTED, ABORTED = Outcome("r", "accepted"), Outcome("d", "aborted", At(1, "s", 0, "", ("assertion `x' failed",)))

WORDS = [
    (
        finding("pairing", "loader", "commit-without-lock", "stream", ""),
        "memory_region_transaction_commit() without the BQL",
    ),
    (finding("lock", "loader", "released-at-ram", "ram", ""), "ram: the BQL is released with memory changes pending"),
    (
        finding("verdict", "loader", "accepted->aborted", "virtio-blk", ""),
        'virtio-blk: QEMU dies of a stream that loads today ("assertion `x\' failed")',
    ),
    (
        finding("device-state", "used", "derived", "virtio-net", "a/virtio-net: queue 0 used is 1, 2 in the reference"),
        "virtio-net: queue 0 used_idx is 1 after the load, not 2",
    ),
    (
        finding(
            "again-device-state", "used", "derived", "virtio-net", "again: a: queue 0 used is 1, 2 in the reference"
        ),
        "virtio-net: queue 0 used_idx is 1, not 2, when the snapshot is loaded once more",
    ),
    (
        finding(
            "guard",
            "vcpu-access",
            "missed-region:rom-to-ram",
            "ram",
            "let pass: while pending: 0x0: rom instead of ram",
        ),
        "ram: a thread (`vcpu-access`) gets an old flat view past the guard (rom instead of ram)",
    ),
]


@pytest.mark.parametrize(("one", "title"), WORDS, ids=[title for _, title in WORDS])
def test_titles(one: Finding, title: str) -> None:
    assert title_of(one, ACCEPTED, ABORTED) == title


def test_sentences_need_no_reference() -> None:
    said = finding("device-state", "broken", "derived", "x", "s: broken is True, False in the reference")
    assert sentence(said, "per-device") == "s: broken is True, not False"
    said = finding("listener-trace", "flat-view", "a->b", "memory", "memory ends with a instead of b")
    assert sentence(said, "per-device") == "memory listeners: memory ends with a instead of b"


def test_there_are_words_for_all() -> None:
    assert set(RANKS) == set(Severity)
    assert set(STAGES) == set(ALL_STAGES)
    for design in DESIGNS.values():
        assert gist(design)
        assert not any(".md" in paragraph for paragraph in about(design))
    assert "memory-API call" in gist(REFERENCE)


def test_a_file_that_is_too_large_is_named_by_its_hash_alone() -> None:
    noise = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(200))
    part = attachment_part("a b.vmstate", noise)
    assert part.value["gzip_base64"] is None
    assert hashlib.sha256(noise).hexdigest() in "\n".join(part.lines)
    assert "vmfuzz ships it as `x/after`" in " ".join(attachment_part("a", noise, "x/after").lines)


@given(st.binary(max_size=300))
def test_a_small_file_is_all_there(data: bytes) -> None:
    part = attachment_part("a.vmstate", data)
    assert part.lines == attachment_part("a.vmstate", data).lines
    lines = list(part.lines)
    begin, end = lines.index("base64 -d <<'END' | gunzip > a.vmstate"), lines.index("END")
    packed = "\n".join(lines[begin + 1 : end])

    assert gzip.decompress(base64.b64decode(packed)) == data


@given(st.lists(st.text("`a \n~", max_size=8).map(lambda text: text.replace("\n", "")), max_size=5))
def test_no_line_ends_its_block(lines: list[str]) -> None:
    drawn = block(lines)
    assert drawn[1:-1] == lines
    assert drawn[0] == drawn[-1]
    assert not any(line.strip().startswith(drawn[0]) for line in lines)


def test_markdown_is_escaped_where_it_would_be_read() -> None:
    assert escaped("a*b <x> 1 < 2 virtio_load _x_ `a*b_`") == r"a\*b \<x> 1 < 2 virtio_load \_x\_ `a*b_`"
    assert [listed(["a", "b", "c"][:count]) for count in range(4)] == ["", "a", "a and b", "a, b and c"]
