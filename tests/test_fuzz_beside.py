"""Which machine a stream belongs to: as named, by the JSON beside it, by its own name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuzz.beside import DESCRIPTION, machine_beside, named_from, seen_from
from fuzz.corpus import find_machine
from fuzz.streams import machine_for


@pytest.mark.parametrize("name", ["one.json", DESCRIPTION])
def test_a_kept_stream_has_it_beside_it(name: str, tmp_path: Path) -> None:
    stream = tmp_path / "one.vmstate"
    stream.write_bytes(b"")
    assert machine_for(str(stream)) is None
    (tmp_path / name).write_text(json.dumps({"machine": "pc-small", "schedule": None}))
    assert machine_beside(stream) == machine_for(str(stream)) == "pc-small"
    assert machine_for(str(stream), "q35-sata") == "q35-sata"


@pytest.mark.parametrize("text", ["", "[]", '{"machine": 3, "schedule": null}', '{"machine": "", "schedule": null}'])
def test_what_says_nothing_is_passed_over(text: str, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(text)
    assert machine_beside(tmp_path / "one.vmstate") is None


def test_a_shipped_stream_has_it_in_its_name() -> None:
    assert machine_for("linux-intel-iommu/again") == machine_for("linux-intel-iommu/after") == "linux-intel-iommu"
    assert machine_for("nosuch/after") is None


def test_a_machine_that_lies_beside_it_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("machines", "crashers", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "machines" / "mine.json").write_text("{}")
    crashers = tmp_path / "crashers"
    (crashers / "one.vmstate").write_bytes(b"")
    (crashers / "one.json").write_text(json.dumps({"machine": "../mine", "schedule": None}))
    for cwd in (tmp_path, crashers, tmp_path / "elsewhere"):
        monkeypatch.chdir(cwd)
        assert machine_beside(crashers / "one.vmstate") == str(crashers / "../mine")
    monkeypatch.chdir(tmp_path)
    for typed in ("./mine", "machines/mine.json", "crashers/../mine"):
        told = named_from(Path("crashers"), typed)
        assert told.startswith("../")
        assert find_machine(seen_from(Path("crashers"), told)).name == "mine"
    for typed in ("pc-small", "mine", str(tmp_path / "mine"), "no/such"):
        assert named_from(crashers, typed) == seen_from(crashers, typed) == typed
