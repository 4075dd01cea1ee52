"""Code with probes is kept for the next process, and made anew where it does not fit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fuzz.engine.kept import digest, keep, kept
from fuzz.engine.probes import install, remove

OF = digest(b"source", b"settings")
VALUE = (compile("answer = 42", "somewhere.py", "exec"), 7, {3: 1})


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A source file, where byte code may be written."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    return str(tmp_path / "somewhere.py")


def files(source: str) -> list[Path]:
    return sorted(Path(source).parent.rglob("*.pyc"))


def test_what_is_kept_is_found_by_what_it_was_made_of(source: str) -> None:
    assert kept(source, OF) is None
    keep(source, OF, VALUE)
    assert kept(source, OF) == VALUE
    assert kept(source, digest(b"source", b"other settings")) is None
    other = digest(b"source", b"other settings")
    keep(source, other, (1,))
    assert kept(source, other) == (1,)
    assert kept(source, OF) is None


def test_parts_are_told_apart() -> None:
    assert digest(b"ab", b"c") != digest(b"a", b"bc")
    assert digest(b"ab") != digest(b"ab", b"")


def test_its_name_is_not_that_of_a_plain_module(source: str) -> None:
    keep(source, OF, VALUE)
    (file,) = files(source)
    assert file.name == f"somewhere.{sys.implementation.cache_tag}.opt-probes.pyc"


def test_what_is_damaged_is_as_if_it_were_not_there(source: str) -> None:
    keep(source, OF, VALUE)
    (file,) = files(source)
    whole = file.read_bytes()
    for end in range(len(whole)):
        file.write_bytes(whole[:end])
        assert kept(source, OF) is None, end
    for at in range(len(whole)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        assert kept(source, OF) is None, at
    file.write_bytes(whole)
    assert kept(source, OF) == VALUE


def test_where_nothing_can_be_written_nothing_is_kept(source: str) -> None:
    folder = Path(source).parent
    (folder / "__pycache__").write_text("in the way")
    keep(source, OF, VALUE)
    assert kept(source, OF) is None
    assert [file.name for file in folder.iterdir()] == ["__pycache__"]


def test_who_wants_no_byte_code_gets_none(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    keep(source, OF, VALUE)
    assert not files(source)


def imported(source: str) -> tuple[bytes, int, dict[int, tuple[str, int]]]:
    """What importing and asking a module anew comes to: counters, how many probes there are, and where."""
    counters = bytearray(64)
    finder = install([Path(source).stem], counters, 64)
    sys.path.insert(0, str(Path(source).parent))
    try:
        module = __import__(Path(source).stem)
        assert module.answer(True) == 42
    finally:
        remove(finder)
        sys.path.pop(0)
        sys.modules.pop(Path(source).stem, None)
    return bytes(counters), finder.count, finder.places


def test_a_module_lights_the_same_from_what_is_kept(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(source).write_text("def answer(wanted):\n    if wanted:\n        return 42\n    return 0\n")
    first = imported(source)
    assert sum(first[0]) == 2
    assert files(source)
    monkeypatch.setattr("fuzz.engine.probes.instrument", None)  # nothing is compiled
    assert imported(source) == first


def test_another_source_is_compiled_anew(source: str) -> None:
    Path(source).write_text("def answer(wanted):\n    if wanted:\n        return 42\n    return 0\n")
    assert imported(source)[1] == 2
    Path(source).write_text("def answer(wanted):\n    return 42\n")
    assert imported(source)[1] == 1
