"""Causes known before a run are set aside, and a file that cannot be used is one line that says where."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.baseline import Baseline, TriageError, read_baseline, read_baselines
from fuzz.triage.entries import STATES, pattern_of

if TYPE_CHECKING:
    from pathlib import Path

ONE = "eager/layout/flat-view/moved/memory"
OTHER = "lazy/layout/flat-view/moved/memory"
PATTERN = "*/layout/flat-view/moved/memory"


def entry(cause: str, state: str, *more: str) -> str:
    return "\n".join(["[[entry]]", f'cause = "{cause}"', f'state = "{state}"', *more, ""])


def write(folder: Path, text: str | bytes, name: str = "triage.toml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("states", "aside"),
    [
        pytest.param({}, False, id="unlisted"),
        pytest.param({ONE: "new"}, True, id="new"),
        pytest.param({ONE: "known"}, True, id="known"),
        pytest.param({ONE: "fixed"}, False, id="fixed"),
        pytest.param({ONE: "back again"}, False, id="back-again"),
        pytest.param({OTHER: "known"}, False, id="another-design"),
        pytest.param({PATTERN: "known"}, True, id="pattern"),
        pytest.param({PATTERN: "fixed"}, False, id="fixed-by-pattern"),
        pytest.param({PATTERN: "known", ONE: "fixed"}, False, id="own-fixed-goes-before-a-pattern"),
        pytest.param({PATTERN: "known", ONE: "back again"}, False, id="own-back-again-goes-before-a-pattern"),
        pytest.param({PATTERN: "fixed", ONE: "known"}, True, id="own-known-goes-before-a-pattern"),
        pytest.param({PATTERN: "fixed", ONE: "new"}, False, id="a-pattern-goes-before-new"),
    ],
)
def test_set_aside(tmp_path: Path, states: dict[str, str], aside: bool) -> None:
    text = "\n".join(entry(cause, state) for cause, state in states.items())
    baseline = read_baseline(write(tmp_path, text))
    assert baseline.sets_aside(ONE) is aside
    assert baseline.split([ONE]) == (([], [ONE]) if aside else ([ONE], []))


def test_a_plain_list_is_a_baseline_too(tmp_path: Path) -> None:
    text = f"# what we live with\n\n{ONE}   # since v8\n*/guard/x/y/z\n"
    baseline = read_baseline(write(tmp_path, text, "causes.txt"))
    assert baseline.split([OTHER, ONE, "mine/guard/x/y/z"]) == ([OTHER], [ONE, "mine/guard/x/y/z"])


def test_a_later_file_goes_before(tmp_path: Path) -> None:
    first = write(tmp_path, entry(ONE, "known"), "first.toml")
    then = write(tmp_path, entry(ONE, "fixed") + entry(OTHER, "known"), "then.toml")
    assert read_baselines([first, then]).split([ONE, OTHER]) == ([ONE], [OTHER])
    assert read_baselines([then, first]).split([ONE, OTHER]) == ([], [ONE, OTHER])


def test_nothing_listed_sets_nothing_aside(tmp_path: Path) -> None:
    assert read_baseline(write(tmp_path, "# nothing yet\n")) == Baseline()
    assert not Baseline().sets_aside(ONE)


BAD = {
    "syntax": (entry(ONE, "known") + "note = \n", ":4: expected TOML (invalid value), found 'note ='"),
    "no-toml-at-all": ("hello\n", ":1: expected TOML ("),
    "cut-off": (entry(ONE, "known") + 'note = "abc', ":4: expected TOML ("),
    "state": (entry(ONE, "knwon"), ":3: state: expected one of new, back again, known, fixed, found 'knwon'"),
    "no-state": (f'\n[[entry]]\ncause = "{ONE}"\n', ":2: state: expected in every entry, found none"),
    "type": (entry(ONE, "known", "note = 3"), ":4: note: expected a text, found 3"),
    "boolean": (entry(ONE, "known", "size = true"), ":4: size: expected a number that is not negative, found True"),
    "negative": (entry(ONE, "known", "size = -1"), ":4: size: expected a number that is not negative, found -1"),
    "moment": (entry(ONE, "known", "fixed = 2026-11-26"), ":4: fixed: expected a moment with its zone"),
    "zone": (entry(ONE, "fixed", "back = 2026-11-26T20:44:15"), ":4: back: expected a moment with its zone"),
    "four-parts": (entry("a/b/c/d", "known"), ":2: cause: expected five parts joined by '/', found 'a/b/c/d'"),
    "empty-part": (entry("a/b//d/e", "known"), ":2: cause: expected five parts joined by '/', found 'a/b//d/e'"),
    "star": (entry("a/*/c/d/e", "known"), ":2: cause: expected * in a cause only as its whole design"),
    "half-star": (entry("a*/b/c/d/e", "known"), ":2: cause: expected * in a cause only as its whole design"),
    "twice": (entry(ONE, "known") * 2, f":5: expected one entry for each cause, found a second one of {ONE}"),
    "other-table": (entry(ONE, "known") + "[[cause]]\n", ":4: expected [[entry]], found 'cause'"),
    "no-tables": ("entry = 3\n", ":1: expected [[entry]] tables, found 3"),
    "one-table": ("[entry]\n", ":1: expected [[entry]] tables, found {}"),
    "deep": ("x=" + "[" * 5000, ":1: expected [[entry]] tables, found values nested too deep"),
    "bytes": (b"# \xff\n", ":1: expected UTF-8, found the byte 0xff"),
    "list": (f"{ONE}\na/b/c/d\n", ":2: expected five parts joined by '/', found 'a/b/c/d'"),
    "list-twice": (f"{ONE}\n\n{ONE}\n", f":3: expected one entry for each cause, found a second one of {ONE}"),
    "behind-a-long-text": (
        entry(ONE, "known", 'note = """', "[[entry]]", "state = 1", '"""') + entry(OTHER, "?"),
        ":10: state: expected one of",
    ),
}


@pytest.mark.parametrize(("text", "said"), [pytest.param(*case, id=name) for name, case in BAD.items()])
def test_a_bad_file_is_one_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(TriageError) as error:
        read_baseline(path)
    assert str(error.value).startswith(f"{path}{said}")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TriageError, match=r"none\.toml: No such file or directory$"):
        read_baseline(tmp_path / "none.toml")
    with pytest.raises(TriageError, match="Is a directory"):
        read_baseline(tmp_path)


@given(st.binary(max_size=80) | st.text(alphabet="abc/[]*=\"'\n# entrycaus", max_size=80).map(str.encode))
def test_whatever_the_bytes_only_a_line(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = write(tmp_path_factory.getbasetemp(), data, "any")
    said = ""
    try:
        read_baseline(path)
    except TriageError as error:
        said = str(error)
    assert len(said.splitlines()) <= 1


@given(st.dictionaries(st.sampled_from([ONE, OTHER, PATTERN]), st.sampled_from(STATES)))
def test_a_list_of_what_it_sets_aside_sets_the_same_aside(states: dict[str, str]) -> None:
    whole = Baseline(states)
    _, aside = whole.split([ONE, OTHER])
    assert Baseline(dict.fromkeys(aside, "known")).split([ONE, OTHER])[1] == aside
    assert pattern_of(ONE) == pattern_of(OTHER) == PATTERN


def test_it_is_light_to_import() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys, fuzz.baseline; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"model", "vmformat", "rich", "typer", "tomlkit", "construct", "atheris"}
    assert not heavy & set(said.stdout.split())
