"""What docs/crashers.md shows is what the commands print, and the options it lists are those there are."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

import fuzz.pytest_plugin
import fuzz.replay.items  # a run of pytest within this one would import it anew, each time
from fuzz import cli
from fuzz.crashers import read_crasher

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parent.parent / "docs" / "crashers.md").read_text()
BLOCKS = re.findall(r"^```console\n\$ (.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_page_as_it_is_told(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("COLUMNS", "80")
    pytester.makepyfile(test_own="def test_own():\n    pass\n")
    pytester.mkdir("crashers")
    for block in BLOCKS:
        command, _, shown = block.partition("\n")
        program, *words = shlex.split(command)
        if "-k" in words:
            somebody_expects_something_else(pytester.path / "crashers" / "option-rom.json")
        if program == "pytest":
            result = pytester.runpytest_inprocess(
                "-p", "fuzz.pytest_plugin", "-W", "ignore::pytest.PytestWarning", *words
            )
            printed = "\n".join(result.outlines)
        else:
            monkeypatch.setattr("sys.argv", [program, *words])
            with pytest.raises(SystemExit):
                cli.main()
            printed = capsys.readouterr().out
        pattern = ".*".join(re.escape(part) for part in shown.rstrip("\n").split("..."))
        assert re.fullmatch(pattern, printed.rstrip("\n"), re.DOTALL), printed


def somebody_expects_something_else(path: Path) -> None:
    values = json.loads(path.read_text())
    values["expect"]["wrap-main"] |= {
        "verdict": "refused",
        "causes": [],
        "harmful_reads": {"cpu_physical_memory_rw": 2},
    }
    path.write_text(json.dumps(values, indent=2))


def test_the_example_is_a_crasher(tmp_path: Path) -> None:
    (text,) = re.findall(r"^    (\{.*\})$", PAGE, re.MULTILINE)
    (tmp_path / "one.json").write_text(text)
    (tmp_path / "one.vmstate").write_bytes(b"")
    assert [*read_crasher(tmp_path / "one.vmstate").expect] == ["per-device", "wrap-main"]


def test_options_are_those_there_are(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    options = set(re.findall(r"--vmfuzz-\w+|\bvmfuzz_\w+", Path(fuzz.pytest_plugin.__file__).read_text()))
    named = set(re.findall(r"--vmfuzz-\w+|\bvmfuzz_\w+", PAGE))
    assert named == options - {"vmfuzz_accept", "vmfuzz_design"}
    monkeypatch.setattr("sys.argv", ["vmfuzz", "replay", "--help"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        cli.main()
    known = capsys.readouterr().out
    for command in re.findall(r"^    vmfuzz replay (.*?)(?: +#.*)?$", PAGE, re.MULTILINE):
        for word in shlex.split(command):
            assert not word.startswith("-") or re.search(rf"{word}\b", known), word
