"""What is known before a run comes last in what it says, as a number, and with a baseline does not count."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from rich.console import Console
from triaged import LIKE_ONE, ONE, OTHER, PATTERN, campaign, entry

from fuzz.commands.run import run
from fuzz.commands.run_asked import RunOptions
from fuzz.commands.status import status
from fuzz.report import campaign_json, final_report
from fuzz.report.aside import listed_in

FOUND = {ONE: b"abc", LIKE_ONE: b"abcd", OTHER: b"ab"}


def quiet() -> Console:
    return Console(file=Path(os.devnull).open("w"), width=100, record=True)


def test_what_a_baseline_lists_is_a_number_at_the_end(tmp_path: Path) -> None:
    made, console = campaign(tmp_path / "c", FOUND), quiet()
    listed = tmp_path / "known.txt"
    listed.write_text(f"{ONE}\n{OTHER}\n")
    assert final_report(made, console, aside=listed_in([listed])) == 1
    text = console.export_text()
    assert LIKE_ONE in text
    assert ONE not in text
    assert "<design>" not in text  # what is left of the group is one cause
    assert text.splitlines()[-1] == f"2 causes set aside, known before: {listed}"


def test_nothing_but_what_a_baseline_lists(tmp_path: Path) -> None:
    made, console = campaign(tmp_path / "c", FOUND), quiet()
    listed = tmp_path / "known.toml"
    listed.write_text(entry(PATTERN, "known") + entry(OTHER, "new"))
    assert final_report(made, console, aside=listed_in([listed])) == 0
    assert console.export_text().splitlines()[-2:] == [
        "No new findings.",
        f"3 causes set aside, known before: {listed}",
    ]


def test_what_was_fixed_counts(tmp_path: Path) -> None:
    made = campaign(tmp_path / "c", {ONE: b"abc"})
    listed = tmp_path / "known.toml"
    listed.write_text(entry(ONE, "fixed"))
    assert final_report(made, quiet(), aside=listed_in([listed])) == 1


def test_known_ones_of_the_folder_come_last_and_count_all_the_same(tmp_path: Path) -> None:
    made, console = campaign(tmp_path / "c", FOUND), quiet()
    own = made.path / "triage.toml"
    own.write_text(entry(ONE, "known") + entry(LIKE_ONE, "new") + entry(OTHER, "fixed"))
    assert final_report(made, console) == 3
    text = console.export_text()
    assert LIKE_ONE in text
    assert OTHER in text
    assert text.splitlines()[-1] == f"1 known cause: {own}"
    assert {one["cause"]: one["set_aside"] for one in campaign_json(made)["findings"]} == {
        LIKE_ONE: False,
        ONE: True,
        OTHER: False,
    }
    # A baseline goes before it.
    (tmp_path / "none.txt").write_text("# none\n")
    assert not any(one["set_aside"] for one in campaign_json(made, listed_in([tmp_path / "none.txt"]))["findings"])


def test_a_bad_file_in_the_folder_does_not_keep_it_from_being_shown(tmp_path: Path) -> None:
    made, console = campaign(tmp_path / "c", FOUND), quiet()
    (made.path / "triage.toml").write_text("no\n")
    assert final_report(made, console) == 3
    assert "triage.toml:1: expected TOML" in console.export_text()


def test_status_with_a_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = campaign(tmp_path / "c", FOUND)
    listed = tmp_path / "known.toml"
    listed.write_text(entry(PATTERN, "known"))
    assert status(made.path, quiet()) == 0
    assert status(made.path, quiet(), baseline=[listed]) == 1
    console = quiet()
    assert status(made.path, console, as_json=True, baseline=[listed]) == 1
    assert sum(one["set_aside"] for one in json.loads(console.export_text())["findings"]) == 2
    listed.write_text(entry(PATTERN, "known") + entry(OTHER, "known"))
    assert status(made.path, quiet(), baseline=[listed]) == 0
    assert status(made.path, quiet(), as_json=True, baseline=[listed]) == 0
    listed.write_text(entry(PATTERN, "knwon"))
    assert status(made.path, quiet(), baseline=[listed]) == 2
    said = capsys.readouterr().err
    assert said == f"vmfuzz status: {listed}:3: state: expected one of new, back again, known, fixed, found 'knwon'\n"


def test_a_bad_baseline_is_one_line_before_anything_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "campaign"
    assert run(RunOptions(campaign=place, baseline=(tmp_path / "none.toml",)), quiet()) == 2
    assert capsys.readouterr().err == f"vmfuzz run: {tmp_path / 'none.toml'}: No such file or directory\n"
    assert not place.exists()


def test_only_what_the_baseline_does_not_list_fails_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("atheris")
    place, listed = tmp_path / "c", tmp_path / "known.txt"

    class Found:
        """A run that finds two causes."""

        def __init__(self, *_: object, **__: object) -> None: ...

        def run(self) -> str:
            campaign(place, {ONE: b"abc", OTHER: b"ab"})
            return "time"

    monkeypatch.setattr("fuzz.commands.run.Supervisor", Found)

    def again(*baseline: Path) -> tuple[int, str]:
        console = quiet()
        return run(RunOptions(campaign=place, baseline=baseline), console), console.export_text()

    assert again()[0] == 1
    listed.write_text(f"{ONE}\n{OTHER}\n")
    status_, said = again(listed)
    assert (status_, said.splitlines()[-2]) == (0, "No new findings.")
    listed.write_text(f"{OTHER}\n")
    status_, said = again(listed)
    assert status_ == 1
    assert f"1 cause of earlier runs in {place / 'findings'}, not in the baseline: counted, too" in said
    assert said.splitlines()[-1] == f"1 cause set aside, known before: {listed}"
