"""Designs of the user's own: read from a file, refused in one line, used by every command that takes a design."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from fuzz import cli
from fuzz.campaign.spec import Spec
from fuzz.commands.replay import ReplayOptions, replay
from fuzz.commands.run_asked import chosen_designs
from fuzz.corpus import find_machine, find_stream
from fuzz.crashers import write_crasher
from fuzz.designs import UsageError, design_named, named_designs, text_for, text_of
from fuzz.work.build import build_target
from model import DESIGNS

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "from model.designs import Design\n\n\n"
BATCH = f"""{HEAD}class Batch(Design):
    name = "batch"

    def load_begins(self, load):
        load.memory.begin()

    def load_ends(self, load, error):
        load.memory.commit()
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(BATCH)
    return tmp_path


def test_a_file_and_a_class_are_a_design(here: Path) -> None:
    found = design_named("mine.py:Batch")
    assert found.name == "batch"
    assert text_of(found) == f"{here}/mine.py:Batch"
    assert design_named("./mine.py:Batch") is design_named(text_of(found)) is found
    assert named_designs(("all", "mine.py:Batch", "./mine.py:Batch")) == (*DESIGNS.values(), found)
    assert chosen_designs(("wrap-main", "mine.py:Batch")) == ("wrap-main", f"{here}/mine.py:Batch")


def test_a_file_that_has_changed_is_read_again(here: Path) -> None:
    before = design_named("mine.py:Batch")
    (here / "mine.py").write_text(BATCH.replace('"batch"', '"better"'))
    assert design_named("mine.py:Batch").name == "better"
    (here / "mine.py").write_text(BATCH)
    assert design_named("mine.py:Batch") is before


def test_modules_beside_it_are_found(here: Path) -> None:
    (here / "beside_the_design.py").write_text("NAME = 'from-beside'\n")
    (here / "mine.py").write_text("import beside_the_design\n" + BATCH.replace('"batch"', "beside_the_design.NAME"))
    assert design_named("mine.py:Batch").name == "from-beside"


CLASS = f"{HEAD}class Batch(Design):\n"
REFUSED = {
    "no file": (None, "mine.py: No such file or directory"),
    "bytes": ("\0", "source code string cannot contain null bytes"),
    "syntax": (BATCH.replace("class Batch(", "class Batch(("), "line 4: "),
    "it does not import": ("import os\nimport no_such_module\n", "line 2: ModuleNotFoundError: No module named"),
    "it leaves": ("raise SystemExit('gone')\n", "line 1: SystemExit: gone"),
    "no class": (BATCH.replace("Batch", "Other"), "no class Batch in mine.py; its designs: Other"),
    "no class at all": ("Batch = 5\n", "no class Batch in mine.py; its designs: none"),
    "no design": ("class Batch:\n    name = 'batch'\n", "Batch is no Design (from model.designs import Design)"),
    "no name": (f"{CLASS}    pass\n", "Batch.name: expected letters, digits, . _ + -, found none"),
    "an odd name": (f"{CLASS}    name = 'a/b'\n", "Batch.name: expected letters, digits, . _ + -, found 'a/b'"),
    "a name that is taken": (f"{CLASS}    name = 'wrap-main'\n", "Batch.name: wrap-main means something else already"),
    "a name that means all": (f"{CLASS}    name = 'all'\n", "Batch.name: all means something else already"),
    "a hook spelled wrong": (
        BATCH.replace("load_begins", "loads_begin"),
        "Batch.loads_begin: no such hook; there is load_begins",
    ),
    "a parameter less": (
        BATCH.replace("load_ends(self, load, error)", "load_ends(self, load)"),
        "Batch.load_ends: expected the parameters (self, load, error)",
    ),
    "a hook that is a number": (BATCH + "\n    flat_view = 7\n", "Batch.flat_view: is a hook, and no function"),
    "it cannot be made": (
        BATCH + "\n    def __init__(self, depth):\n        pass\n",
        "Batch(): TypeError: Batch.__init__() missing 1 required positional argument: 'depth'",
    ),
    "making it fails": (
        BATCH + "\n    def __init__(self):\n        self.table = {}['x']\n",
        "line 14: Batch(): KeyError: 'x'",
    ),
}


@pytest.mark.parametrize(("source", "line"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_design_is_one_line_and_status_2(
    source: str | None, line: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if source is None:
        (here / "mine.py").unlink()
    else:
        (here / "mine.py").write_text(source)
    monkeypatch.setattr("sys.argv", ["vmfuzz", "load", "pc-small/after", "--design", "mine.py:Batch"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capsys.readouterr()
    assert (left.value.code, said.out) == (2, "")
    assert said.err.startswith(f"vmfuzz load: --design mine.py:Batch: {line}"), said.err
    assert said.err.count("\n") == 1


def test_two_of_one_name_are_one_too_many(here: Path) -> None:
    (here / "other.py").write_text(BATCH)
    with pytest.raises(UsageError, match=re.escape("--design other.py:Batch: another design is called batch too")):
        named_designs(("mine.py:Batch", "other.py:Batch"))


def test_load_tells_of_it_and_of_what_it_raises(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "mine.py").write_text(
        BATCH + "\n    def ring_cache(self, load, device, index):\n        return 1 // index\n"
    )
    words = ["vmfuzz", "load", "pc-small/after", "--json", "--design", "per-device", "--design", "mine.py:Batch"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capsys.readouterr()
    assert (left.value.code, said.err) == (1, "")
    outcomes = {one["design"]: one for one in json.loads(said.out)["outcomes"]}
    assert [*outcomes] == ["per-device", "batch"]
    causes = [finding["cause"] for finding in outcomes["batch"]["findings"]]
    assert "batch/exception/ring_cache/ZeroDivisionError/virtio-blk" in causes


def test_a_worker_in_any_folder_loads_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = find_machine("pc-small")
    spec = Spec(
        "w", "stream", "pc-small", str(machine.description), (), chosen_designs(("mine.py:Batch",)), 1, str(here)
    )
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    target = build_target(Spec.from_json(spec.to_json()))
    found = target.run(find_stream("pc-small/after").read_bytes())
    assert any(one.cause.startswith("batch/flat-view-while-pending/") for one in found.found)


def test_crashers_tell_of_designs_that_are_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_crasher(here, "one", find_stream("pc-small/after").read_bytes(), "pc-small", {"batch": {"rebuilds": 1}})
    assert replay(ReplayOptions((here / "one.json",))) == 2  # a crasher cannot have a file run that nobody named
    assert "design batch: no such design" in capsys.readouterr().err
    assert replay(ReplayOptions((here / "one.json",), ("mine.py:Batch",))) == 0
    assert replay(ReplayOptions((here / "one.json",), ("mine.py:Other",))) == 2


def test_what_to_type_for_a_finding(here: Path) -> None:
    texts = chosen_designs(("wrap-main", "mine.py:Batch"))
    assert text_for("batch", texts) == f"{here}/mine.py:Batch"
    assert text_for("batch", ("wrap-main", "/gone/mine.py:Batch")) == "/gone/mine.py:Batch"
    assert [text_for(name, texts) for name in ("wrap-main", "any")] == ["wrap-main", "any"]
    assert text_for("batch", ()) == "batch"
