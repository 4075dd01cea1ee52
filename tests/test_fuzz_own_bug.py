"""A user's own seeded bug: read from a file, or refused in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz import cli
from fuzz.designs import UsageError, bug_named, design_named, seeded_designs, text_for, text_of
from model.seeded import SEEDED

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = '''
class Nothing:
    def mark_pending(self, sound, memory, wanted):
        """A flag that is never raised."""
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(NOTHING)
    return tmp_path


def test_a_class_of_a_file(here: Path) -> None:
    per_device, wrap_main = seeded_designs("mine.py:Nothing", ())
    assert [per_device.name, wrap_main.name] == ["per-device~nothing", "wrap-main~nothing"]
    assert text_of(per_device) == f"per-device~{here}/mine.py:Nothing"
    assert design_named(text_of(per_device)) is per_device
    assert text_for(per_device.name, (text_of(wrap_main), text_of(per_device))) == text_of(per_device)


def test_a_shipped_one() -> None:
    name = next(iter(SEEDED))
    (design,) = seeded_designs(name, ("v6-do-commit",))
    assert design.name == text_of(design) == f"v6-do-commit~{name}"
    assert design_named(design.name) is design
    assert text_for(design.name, ()) == design.name


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nowhere", "--seeded nowhere: no such bug; there are "),
        ("gone.py:X", "--seeded gone.py:X: gone.py: No such file or directory"),
        ("mine.py:X", "--seeded mine.py:X: no class X in mine.py; its seeded bugs: Nothing"),
        ("typo.py:T", "--seeded typo.py:T: T.mark_pendign: no such seam; there is mark_pending; names of your own"),
        ("none.py:T", "--seeded none.py:T: T replaces nothing: no method of it is a seam of docs/seams.md"),
        ("few.py:T", "--seeded few.py:T: T.mark_pending: expected the parameters (self, sound, memory, wanted)"),
        ("dies.py:T", "--seeded dies.py:T: line 3: T(): ValueError: no"),
        ("syntax.py:T", "--seeded syntax.py:T: line 1: "),
    ],
)
def test_what_cannot_be_used(
    here: Path, text: str, complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "typo.py").write_text("class T:\n    def mark_pendign(self): ...\n")
    (here / "none.py").write_text("class T:\n    pass\n")
    (here / "few.py").write_text("class T:\n    def mark_pending(self, sound): ...\n")
    (here / "dies.py").write_text(
        "class T:\n    def __init__(self):\n        raise ValueError('no')\n    def commit(self, sound, memory): ...\n"
    )
    (here / "syntax.py").write_text("class T\n")
    with pytest.raises(UsageError) as found:
        bug_named(text)
    assert str(found.value).startswith(complaint)
    monkeypatch.setattr("sys.argv", ["vmfuzz", "load", "pc-small/after", "--seeded", text])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith(f"vmfuzz load: {complaint}")
