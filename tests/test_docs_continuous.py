"""docs/continuous.md shows what a trial prints; this is the trial of a real target, without a bundle."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fuzz import cli
from fuzz.oss.definition import names

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "continuous.md").read_text()
BLOCKS = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("line", "shown"), BLOCKS)
def test_the_trial_of_a_target(
    line: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.argv", shlex.split(line))
    with pytest.raises(SystemExit) as end:
        cli.main()
    printed = capsys.readouterr().out
    assert end.value.code == 0, printed
    # How many features there are changes with the code.
    one, other = (re.sub(r"\d+", "N", text).split() for text in (printed, shown))
    assert one == other
    assert [path.name for path in tmp_path.iterdir()] == ["oss-fuzz"]


def test_every_target_is_on_the_page() -> None:
    shown = re.findall(r"^\| `(fuzz_\w+\*?)` \|", PAGE, re.MULTILINE)
    for name in names():
        assert any(re.fullmatch(pattern.replace("*", r"\w+"), name) for pattern in shown), name


def test_the_files_that_it_names_are_there() -> None:
    for name in re.findall(r"`(cflite_\w+\.yml)`", PAGE):
        assert (ROOT / ".github" / "workflows" / name).is_file()
    for name in ("fuzz/oss/targets/triage.toml", "fuzz/oss/raising.py", "projects/vmfuzz", ".clusterfuzzlite"):
        assert f"`{name}" in PAGE
        assert (ROOT / name).exists()
