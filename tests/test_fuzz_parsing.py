"""What `vmfuzz bench` says of parsing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from fuzz.commands.bench import bench
from fuzz.commands.bench_parse import ASKED, Alone, Parsed, Whole, bench_parsing, tables
from fuzz.corpus import find_machine
from fuzz.parsing import Pass, ScriptError, analyzer, main, pass_over, read_time

if TYPE_CHECKING:
    from pathlib import Path

SEED = next(seed for seed in find_machine("q35-usb").seeds if seed.stem == "after")
SCRIPT = """
class MigrationDump:
    def __init__(self, name): self.name = name
    def read(self, dump_memory): print("noise")
    def getDict(self): return {"name": self.name}
raise Exception("not a stream")
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script that reads anything."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def test_a_pass_decodes_every_section_and_gives_the_same_bytes() -> None:
    found = pass_over(SEED.read_bytes())
    assert found.same
    assert found.opaque == 0
    assert found.sections > 20
    assert found.total == pytest.approx(found.read + found.values + found.write)
    assert read_time(SEED.read_bytes(), 1) > 0


def test_a_script_is_run_for_what_it_defines(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert analyzer(script)("x") == {"name": "x"}
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(None, "No such file or directory", id="no file"),
        pytest.param("x = 1", "it defines no MigrationDump", id="another script"),
        pytest.param("import sys; sys.exit(3)", "no analyze-migration.py (SystemExit: 3)", id="one that ends"),
        pytest.param("(", "no analyze-migration.py (SyntaxError", id="no Python"),
    ],
)
def test_what_is_no_script(text: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ScriptError, match=r"script\.py: ") as error:
        analyzer(path)
    assert said in str(error.value)


def test_one_process(script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SEED), str(script)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"first", "again", "script"}
    assert found["script"] >= 0
    bad = tmp_path / "bad"
    bad.write_bytes(b"QEVM")
    assert main([str(bad)]) == 2
    assert capsys.readouterr().err.startswith(f"{bad}: offset")


def parsed(ratio: float | None) -> Parsed:
    """Measurements of nothing."""
    one = Pass(1.0, 2.0, 3.0, 101, 0, same=True)
    script = None if ratio is None else 6.0 * ratio
    return Parsed(Whole("seed-24", 2_000_000, one, one, script, ratio), "made", (Alone("pc/after", 1000, 0.5),))


def test_the_verdict() -> None:
    assert parsed(12.34).verdict == "12.3 times faster than analyze-migration.py (>= 10 asked)"
    assert "--analyze-migration" in parsed(None).verdict
    assert ASKED == 10


def test_numbers_for_programs_and_for_people() -> None:
    found = json.loads(json.dumps(parsed(12.5).to_json()))
    assert found["whole"]["ratio"] == 12.5
    assert found["alone"] == [{"stream": "pc/after", "size": 1000, "milliseconds": 0.5, "rate": 2.0}]
    console = Console(record=True, width=120)
    for table in tables(parsed(12.5)):
        console.print(table)
    text = console.export_text()
    for word in ("12.5", "analyze-migration.py", "101, 0", "pc/after", "2.0"):
        assert word in text


def test_without_a_qemu_the_shipped_stream_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.commands.bench_parse._shipped", list)
    found = bench_parsing(None, binary="no-such-qemu", processes=1)
    assert found.made.startswith("the shipped seed-24/after, without RAM: no-such-qemu")
    assert found.whole.first.same
    assert found.whole.ratio is None


def test_a_script_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(only="parse", script=tmp_path / "none", qemu="no-such-qemu") == 2
    said = capsys.readouterr().err
    assert said == f"vmfuzz bench: {tmp_path / 'none'}: No such file or directory\n"
