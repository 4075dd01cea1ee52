"""What docs/triage.md tells, done: its files written, its commands run; its tables are those of the code."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from triaged import campaign, entry

from fuzz import cli
from fuzz.corpus import root
from fuzz.triage.entries import BACK, FIXED, NEW, Entry
from fuzz.triage.states import Evidence, moved

PAGE = (Path(__file__).parent.parent / "docs" / "triage.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
KINDS = ["python", "console", "toml", "console", "python", "console", "yaml", "python"]

READS = "flat-view-while-pending/cpu_physical_memory_read/region:rom-to-ram/kvm-tpr-opt"
CACHES = "flat-view-while-pending/virtio_init_region_cache/region:rom-to-rom/virtio-blk"


def typed(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", shlex.split(command))
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert isinstance(left.value.code, int)
    return left.value.code, capsys.readouterr().out


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """But for the run: its findings are made, of streams that show them."""
    monkeypatch.chdir(tmp_path)
    assert [kind for kind, _ in BLOCKS] == KINDS
    after = (root() / "seeds" / "pc-small" / "after.vmstate").read_bytes()
    caches = (root() / "crashers" / "wrap-main-wrong-inuse.vmstate").read_bytes()
    found = {f"batch/{READS}": after, f"v1-flag-eof/{READS}": after, f"batch/{CACHES}": caches}
    designs = (f"{tmp_path}/batch.py:Batch", "v1-flag-eof")
    campaign(Path("work"), found, designs=designs, kind="harmful read", severity="invariant")
    states = Path("work/triage.toml")
    for kind, block in BLOCKS[:6]:
        if kind == "python":
            Path("batch.py").write_text(block)
        elif kind == "toml":
            states.write_text(block + states.read_text())
        else:
            command, _, shown = block.removeprefix("$ ").partition("\n")
            status, printed = typed(command, monkeypatch, capsys)
            pattern = ".*".join(re.escape(part) for part in shown.split("..."))
            assert re.fullmatch(pattern, printed, re.DOTALL), printed
            assert status == (1 if " new" in printed.splitlines()[0] else 0)
    assert states.read_text().startswith(BLOCKS[2][1])
    Path("batch.py").write_text(BLOCKS[0][1])
    status, printed = typed("vmfuzz triage work --design ./batch.py:Batch", monkeypatch, capsys)
    assert (status, printed.splitlines()[0]) == (1, "work/triage.toml: 3 causes: 2 back again, 1 known")


def test_the_table_of_states() -> None:
    now = datetime(2026, 11, 26, tzinfo=UTC)
    before, after = now - timedelta(2), now - timedelta(1)
    rows = re.findall(r"^\| (not listed|new|known|fixed|back again) \| (.*?) \|$", PAGE, re.MULTILINE)
    assert [row[0] for row in rows] == ["not listed", "new", "known", "fixed", "back again"]
    for state, cells in rows:
        listed = state != "not listed"
        one = Entry("a/b/c/d/e", state if listed else NEW)
        if state in {FIXED, BACK}:
            one = Entry("a/b/c/d/e", state, fixed=before, back=before if state == BACK else None)
        for shows, cell in zip((True, False, None), cells.split(" | "), strict=True):
            ways = [moved(one, Evidence(shows, seen), now, listed=listed)[0].state for seen in (None, after)]
            assert cell == ", or ".join(dict.fromkeys(ways)), (state, shows)


def test_the_table_of_keys() -> None:
    told = re.findall(r"^\| (`[a-z_`, ]+`) \|", PAGE, re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(told)) == [field.name for field in fields(Entry)]


def test_the_line_about_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made = campaign(Path("campaign"), {})
    (made.path / "triage.toml").write_text(entry("a/b/c/d/e", "knwon"))
    monkeypatch.setattr("sys.argv", ["vmfuzz", "triage", "campaign"])
    with pytest.raises(SystemExit):
        cli.main()
    assert f"    {capsys.readouterr().err}" in PAGE


def test_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("triage.toml").write_text(entry("*/layout/flat-view/moved/memory", "known"))
    names: dict[str, Any] = {}
    exec(compile(BLOCKS[-1][1], "triage.md", "exec"), names)
    assert (names["counting"], len(names["aside"])) == ([], 1)


@pytest.mark.parametrize("command", ["run", "status", "triage"])
def test_commands_have_options_that_exist(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    _, known = typed(f"vmfuzz {command} --help", monkeypatch, capsys)
    lines = re.findall(rf"\bvmfuzz {command} (.*?)(?: +#.*)?$", PAGE, re.MULTILINE)
    assert lines
    for line in lines:
        if "`" not in line and not line.startswith("of"):
            for word in shlex.split(line):
                assert not word.startswith("-") or re.search(rf"{word}\b", known), word
