"""`vmfuzz triage`: what folders tell of causes, what becomes of their states, and how that is shown."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tiny
from rich.console import Console
from triaged import LIKE_ONE, MOMENT, ONE, OTHER, PATTERN, campaign, entry

from fuzz.baseline import read_baseline
from fuzz.campaign import CauseCount, Stats
from fuzz.campaign.stats import write_stats
from fuzz.commands.triage import TriageOptions, triage
from fuzz.crashers import write_crasher
from fuzz.engine import Found
from fuzz.triage.entries import TriageError
from fuzz.triage.file import read_file
from fuzz.triage.look import Look, look
from fuzz.triage.replay import Answer
from fuzz.triage.sights import moment, sights
from fuzz.triage.witness import Witnesses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fuzz.triage.witness import Witness

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LATER = "2026-11-27T00:00:00Z"
FOUND = {ONE: b"abc", LIKE_ONE: b"abcd", OTHER: b"ab"}


def quiet() -> Console:
    return Console(file=Path(os.devnull).open("w"), width=80, record=True)


def showing(*causes: str) -> Callable[[Sequence[tuple[str, Witness]]], Mapping[str, Answer]]:
    """A replay by which these causes show, and no others."""

    def replay(wanted: Sequence[tuple[str, Witness]]) -> Mapping[str, Answer]:
        return {cause: Answer(tuple(Found("kind", one, "t") for one in causes if one == cause)) for cause, _ in wanted}

    return replay


def states(found: Look) -> dict[str, str]:
    return {row.entry.cause: row.entry.state for row in found.rows}


def test_a_campaign_is_listed_with_what_it_knows(tmp_path: Path) -> None:
    made = campaign(tmp_path / "c", FOUND)
    file = made.path / "triage.toml"
    found = look([made.path], file, NOW)
    assert found.written
    assert [(row.entry.cause, row.entry.state, row.count) for row in found.rows] == [
        (LIKE_ONE, "new", 3),
        (ONE, "new", 3),
        (OTHER, "new", 3),
    ]
    (_, row, _) = found.rows
    assert (row.entry.kind, row.entry.severity, row.entry.size) == ("divergence", "wrong-state", 3)
    assert (row.entry.first_seen, row.entry.first_execution) == (moment(MOMENT), 1)
    assert (file.parent / row.entry.witness).read_bytes() == b"abc"
    assert row.command.startswith(f"vmfuzz load {made.path}/findings/wrap-main.layout")
    # A second look has nothing to write, and nothing to say.
    before = file.stat().st_mtime_ns, file.stat().st_ino
    again = look([made.path], file, NOW)
    assert (again.written, again.changes) == (False, ())
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before


def test_states_move_by_what_witnesses_show_and_come_back(tmp_path: Path) -> None:
    made = campaign(tmp_path / "c", FOUND)
    file = made.path / "triage.toml"
    look([made.path], file, NOW, replay=showing(*FOUND))
    file.write_text(file.read_text().replace(f'"{ONE}"\nstate = "new"', f'"{ONE}"\nstate = "known"  # Jo'))
    found = look([made.path], file, NOW, replay=showing(LIKE_ONE))
    assert states(found) == {ONE: "fixed", LIKE_ONE: "new", OTHER: "fixed"}
    assert [(one.cause, one.before, one.after) for one in found.changes] == [
        (ONE, "known", "fixed"),
        (OTHER, "new", "fixed"),
    ]
    assert 'state = "fixed"  # Jo' in file.read_text()
    found = look([made.path], file, NOW, replay=showing(ONE, LIKE_ONE))
    assert states(found) == {ONE: "back again", LIKE_ONE: "new", OTHER: "fixed"}
    # A campaign finds the other one again, after it was fixed.
    stats = Stats("x", "m", "stream")
    stats.findings[OTHER] = CauseCount("guard", 1, 5, 0.5, LATER, LATER)
    made.prepare("x", "x")
    write_stats(made.worker("x") / "stats.json", stats)
    found = look([made.path], file, NOW)
    assert states(found)[OTHER] == "back again"
    assert next(row.count for row in found.rows if row.entry.cause == OTHER) == 4
    assert read_baseline(file).split(FOUND) == ([ONE, OTHER], [LIKE_ONE])


def test_a_pattern_speaks_for_a_group(tmp_path: Path) -> None:
    made = campaign(tmp_path / "c", FOUND)
    file = tmp_path / "kept" / "states.toml"
    file.parent.mkdir()
    file.write_text("# ours\n" + entry(PATTERN, "known", 'note = "waits for v9"'))
    found = look([made.path], file, NOW)
    assert states(found) == {ONE: "known", LIKE_ONE: "known", OTHER: "new"}
    assert [row.note for row in found.rows if row.entry.state == "known"] == ["waits for v9"] * 2
    assert {one.before for one in found.changes} == {"unlisted"}
    # Each has an entry of its own by now, so each goes its own way.
    found = look([made.path], file, NOW, replay=showing(ONE, OTHER))
    assert states(found) == {ONE: "known", LIKE_ONE: "fixed", OTHER: "new"}
    assert file.read_text().startswith("# ours\n" + entry(PATTERN, "known", 'note = "waits for v9"'))


def test_several_campaigns_are_one_list(tmp_path: Path) -> None:
    one = campaign(tmp_path / "one", {ONE: b"abc"}, when=LATER)
    other = campaign(tmp_path / "other", {OTHER: b"xy", ONE: b"a"})
    file = tmp_path / "triage.toml"
    found = look([one.path, other.path], file, NOW)
    row = next(row for row in found.rows if row.entry.cause == ONE)
    assert (row.count, row.entry.size, row.entry.first_execution) == (6, 1, 2)
    assert row.entry.witness.startswith("other/findings/")
    # What is known of one stays when the other folder is looked at alone, or none is there any more.
    found = look([one.path], file, NOW, replay=showing(ONE, OTHER))
    row = next(row for row in found.rows if row.entry.cause == ONE)
    assert (row.count, row.entry.size, row.entry.witness.split("/")[0]) == (3, 1, "other")
    assert row.command.startswith(f"vmfuzz load {tmp_path}/other/findings/")
    assert not found.written


def test_a_witness_that_is_gone_leaves_its_state_alone(tmp_path: Path) -> None:
    made = campaign(tmp_path / "c", {ONE: b"abc"})
    file = tmp_path / "triage.toml"
    file.write_text(entry(OTHER, "known", 'witness = "gone/x.vmstate"', "size = 7"))
    found = look([made.path], file, NOW, replay=showing())
    assert states(found) == {OTHER: "known", ONE: "fixed"}
    assert found.rows[0].why_not == "its witness is gone: gone/x.vmstate"
    # One that is there in a folder takes its place.
    more = campaign(tmp_path / "d", {OTHER: b"abcdefghijk"})
    found = look([more.path], file, NOW)
    assert (found.rows[0].entry.size, found.rows[0].entry.witness.split("/")[0]) == (11, "d")


def test_what_is_only_in_the_statistics_is_listed_too(tmp_path: Path) -> None:
    """Its witness could not be written yet, for want of room."""
    made = campaign(tmp_path / "c", {ONE: b"abc"})
    stats = Stats("x", "m", "stream", findings={OTHER: CauseCount("guard", 2, 9)})
    made.prepare("x", "x")
    write_stats(made.worker("x") / "stats.json", stats)
    found = look([made.path], made.path / "triage.toml", NOW, replay=showing(ONE))
    (row,) = (row for row in found.rows if row.entry.cause == OTHER)
    assert (row.entry.state, row.count, row.entry.first_execution, row.why_not) == ("new", 2, 9, "it has no witness")
    assert (row.command, row.entry.witness) == ("", "")


def test_what_is_no_cause_is_left_out_and_said(tmp_path: Path) -> None:
    made = campaign(tmp_path / "c", {ONE: b"abc", "a/b/c": b"x"})
    assert triage(TriageOptions((made.path,), replay=False), console := quiet()) == 1
    assert "left out, not five parts joined by '/': a/b/c" in console.export_text()
    assert [one.cause for one in read_file(made.path / "triage.toml")[1]] == [ONE]


def test_crashers_are_listed_too(tmp_path: Path) -> None:
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines" / "tiny.json").write_text(json.dumps(tiny.description()))
    cause = "v1-flag-eof/pairing/loader/commit-without-begin/stream"
    gone = "v1-flag-eof/pairing/loader/transaction-left-open/stream"
    expect = {"v1-flag-eof": {"causes": [cause, gone]}}
    folder = tmp_path / "kept"
    write_crasher(folder, "one", tiny.HEADER + tiny.EOF, str(tmp_path / "tiny"), expect)
    write_crasher(folder, "two", tiny.HEADER + tiny.EOF + tiny.EOF, str(tmp_path / "tiny"), expect)
    console = quiet()
    assert triage(TriageOptions((folder,), as_json=True, jobs=1), console, NOW) == 1
    said = json.loads(console.export_text())
    assert [(one["cause"], one["state"], one["count"], one["shows"]) for one in said["causes"]] == [
        (cause, "new", 2, True),
        (gone, "fixed", 2, False),
    ]
    (first, _) = said["causes"]
    assert (first["severity"], first["kind"], first["witness"]) == (
        "assertion",
        "unpaired transaction",
        str(folder / "one.vmstate"),
    )
    assert said["changes"][1] == {"cause": cause, "before": "unlisted", "after": "new", "why": "found"}
    # What a replay told stays told.
    written = (folder / "triage.toml").read_bytes()
    assert triage(TriageOptions((folder,), replay=False), quiet(), NOW) == 1
    assert triage(TriageOptions((folder,), jobs=1), quiet(), NOW) == 1
    assert (folder / "triage.toml").read_bytes() == written


def test_people_see_states_then_severities_and_what_changed(tmp_path: Path) -> None:
    made = campaign(tmp_path / "c", {**FOUND, "any/layout/x/y/z": b"q"})
    file = made.path / "triage.toml"
    file.write_text(entry("any/layout/x/y/z", "known", 'note = """two\nlines"""'))
    console = quiet()
    assert triage(TriageOptions((made.path,), replay=False), console, NOW) == 1
    lines = console.export_text().splitlines()
    findings = f"{made.path}/findings"
    smaller = next((made.path / "findings").glob("wrap-main.layout*"))
    guard = next((made.path / "findings").glob("wrap-main.guard*"))
    any_ = next((made.path / "findings").glob("any.*"))
    assert lines == [
        f"{file}: 4 causes: 3 new, 1 known",
        "",
        "new",
        "  severity     kind        count  first seen (execution)  bytes  cause",
        "  wrong-state  divergence      6  2026-11-20 08:00 (2)        3  <design>/layout/flat-view/moved/memory",
        "      under v1-flag-eof, wrap-main",
        f"      vmfuzz load {findings}/{smaller.name}/witness.vmstate --machine pc-small --design wrap-main",
        f"  invariant    guard           3  2026-11-20 08:00 (3)        2  {OTHER}",
        f"      vmfuzz load {findings}/{guard.name}/witness.vmstate --machine pc-small --design wrap-main",
        "",
        "known",
        "  severity     kind        count  first seen (execution)  bytes  cause",
        "  wrong-state  divergence      3  2026-11-20 08:00 (4)        1  any/layout/x/y/z",
        "      note: two lines",
        f"      vmfuzz load {findings}/{any_.name}/witness.vmstate --machine pc-small",
        "",
        "changed since last time",
        "  unlisted -> new: 3 causes (found)",
        "      <design>/layout/flat-view/moved/memory",
        "      wrap-main/guard/vring/stopped-benign/virtio-blk",
    ]
    console = quiet()
    assert triage(TriageOptions((made.path,), replay=False, states=("known",)), console, NOW) == 1
    text = console.export_text()
    assert "any/layout/x/y/z" in text
    assert OTHER not in text
    assert "changed" not in text


@pytest.mark.parametrize(
    ("listed", "status"),
    [("new", 1), ("back again", 1), ("known", 0), ("fixed", 0)],
)
def test_the_exit_status_says_whether_somebody_is_asked_for(tmp_path: Path, listed: str, status: int) -> None:
    made = campaign(tmp_path / "c", {ONE: b"abc"})
    (made.path / "triage.toml").write_text(entry(ONE, listed))
    assert triage(TriageOptions((made.path,), replay=False), quiet(), NOW) == status


def refused(capsys: pytest.CaptureFixture[str], options: TriageOptions) -> str:
    assert triage(options, quiet(), NOW) == 2
    said = capsys.readouterr().err
    assert said.startswith("vmfuzz triage: ")
    assert said.count("\n") == 1
    return said.removeprefix("vmfuzz triage: ").strip()


def test_what_cannot_be_used_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = campaign(tmp_path / "c", {ONE: b"abc"})
    file = made.path / "triage.toml"
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.vmstate").write_bytes(b"")
    asked = TriageOptions((made.path,))
    none = tmp_path / "none"
    assert refused(capsys, TriageOptions((none,))) == f"{none}: no such folder"
    assert refused(capsys, TriageOptions((made.path / "campaign.json",))).endswith("campaign.json: not a folder")
    assert "neither a campaign (no campaign.json in it) nor" in refused(capsys, TriageOptions((tmp_path / "empty",)))
    assert "x.json: No such file" in refused(capsys, TriageOptions((tmp_path / "bad",)))
    assert refused(capsys, TriageOptions((made.path, made.path))) == (
        "--file: not given, and there are 2 folders to keep it in"
    )
    assert refused(capsys, replace(asked, states=("old",))).startswith("--state old: no such state; there are new,")
    assert refused(capsys, replace(asked, designs=("nowhere.py:X",))).startswith("--design nowhere.py:X: ")
    assert not file.exists()
    file.write_text(entry(ONE, "knwon"))
    assert refused(capsys, asked).startswith(f"{file}:3: state: expected one of ")
    assert file.read_text() == entry(ONE, "knwon")
    file.write_text(f"{ONE}\n")
    assert "found a plain list of causes" in refused(capsys, asked)
    assert "No such file or directory" in refused(capsys, replace(asked, file=none / "x.toml", replay=False))


def test_interrupted_nothing_is_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = campaign(tmp_path / "c", {ONE: b"abc"})

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fuzz.triage.replay.replay", stopped)
    assert triage(TriageOptions((made.path,)), quiet(), NOW) == 130
    assert capsys.readouterr().err == "vmfuzz triage: stopped; nothing was changed\n"
    assert not (made.path / "triage.toml").exists()


def test_an_edit_while_witnesses_run_is_kept(tmp_path: Path) -> None:
    made = campaign(tmp_path / "c", FOUND)
    file = made.path / "triage.toml"
    look([made.path], file, NOW)

    def meanwhile(wanted: Sequence[tuple[str, Witness]]) -> Mapping[str, Answer]:
        file.write_text(file.read_text().replace(f'"{ONE}"\nstate = "new"', f'"{ONE}"\nstate = "known"\nmine = 1'))
        return showing(ONE, LIKE_ONE)(wanted)

    found = look([made.path], file, NOW, replay=meanwhile)
    assert states(found) == {ONE: "known", LIKE_ONE: "new", OTHER: "fixed"}
    assert "mine = 1" in file.read_text()


def test_two_thousand_causes(tmp_path: Path) -> None:
    made = campaign(tmp_path / "c", {ONE: b"abc"})
    causes = [f"d{number % 7}/layout/reader{number}/y/z" for number in range(2000)]
    file = made.path / "triage.toml"
    file.write_text("".join(entry(cause, "back again") for cause in causes) + entry(PATTERN, "known"))
    found = look([made.path], file, NOW, replay=showing(ONE))
    assert states(found) == {**dict.fromkeys(causes, "back again"), ONE: "known"}
    file.write_text(file.read_text().replace("back again", "fixed"))
    look([made.path], file, NOW)
    assert file.read_text().count("fixed = 2026-11-26T12:00:00Z") == 2000


def test_moments_are_told_in_one_zone() -> None:
    assert moment("2026-11-20T09:00:00+01:00") == moment(MOMENT)
    assert moment("") is None
    assert moment("soon") is None
    assert moment("2026-11-20T09:00:00") is None


def test_a_folder_being_written_is_read_all_the_same(tmp_path: Path) -> None:
    made = campaign(tmp_path / "c", {ONE: b"abc"})
    (made.findings / "half.0000").mkdir()
    (made.findings / "half.0000" / "witness.vmstate").write_bytes(b"x")
    (made.worker("w") / "stats.json").write_text("{")
    (made.path / "campaign.json").write_text("{")
    (sight,) = sights([made.path], Witnesses()).values()
    assert (sight.cause, sight.count, sight.first, sight.first_execution) == (ONE, 1, None, 1)
    with pytest.raises(TriageError):
        sights([tmp_path / "none"], Witnesses())
