"""Crashers beside the tests of any project: `pytest --vmfuzz-crashers DIR`."""

from __future__ import annotations

import json
import os
import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny

import fuzz.pytest_plugin
import fuzz.replay.items  # a run of pytest within this one would import it anew, each time
from fuzz import expectations
from fuzz.campaign.findings import FindingStore, Origin
from fuzz.crashers import read_crasher, write_crasher
from fuzz.engine.target import Found
from fuzz.replay import Replayer
from model import stages_of

if TYPE_CHECKING:
    from fuzz.crashers import Expectation

pytest_plugins = ["pytester"]

NO_FULL = tiny.HEADER + tiny.EOF
CAUSE = "v1-flag-eof/pairing/loader/commit-without-begin/stream"
LOADED = ("-p", "fuzz.pytest_plugin", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with a test of its own, a machine, and an empty folder of crashers. Only our plugin is loaded in it."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(fuzz.__file__).parent.parent))
    monkeypatch.setenv("COLUMNS", "160")
    pytester.makepyfile(test_own="def test_own():\n    pass\n")
    machines = pytester.mkdir("machines")
    (machines / "tiny.json").write_text(json.dumps(tiny.description()))
    pytester.mkdir("crashers")
    return pytester


def outcomes(project: pytest.Pytester) -> dict[str, Expectation]:
    return Replayer().outcomes(NO_FULL, str(project.path / "tiny"), ["per-device", "v1-flag-eof"])


def crasher(project: pytest.Pytester, name: str, expect: dict[str, Expectation], folder: str = "crashers") -> Path:
    place = project.path / folder
    return write_crasher(place, name, NO_FULL, os.path.relpath(project.path / "tiny", place), expect).path


def run(project: pytest.Pytester, *words: str) -> pytest.RunResult:
    return project.runpytest_inprocess(*LOADED, *words)


def collected(project: pytest.Pytester, *words: str) -> list[str]:
    lines = run(project, "--collect-only", "-q", *words).outlines
    return [line for line in lines if "::" in line]


def no_traceback(result: pytest.RunResult) -> None:
    said = "\n".join((*result.outlines, *result.errlines))
    assert "Traceback" not in said, said
    assert "INTERNALERROR" not in said, said


def test_a_test_for_each_design_beside_the_project_s_own(project: pytest.Pytester) -> None:
    crasher(project, "one", outcomes(project))
    crasher(project, "two", {"per-device": {"verdict": "accepted"}}, "crashers/more")
    result = run(project, "--vmfuzz-crashers", "crashers", "-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["collecting ... collected 4 items"])
    assert sorted(collected(project, "--vmfuzz-crashers", "crashers")) == [
        "crashers/more/two.vmstate::per-device",
        "crashers/one.vmstate::per-device",
        "crashers/one.vmstate::v1-flag-eof",
        "test_own.py::test_own",
    ]


def test_a_difference_is_shown_as_a_table(project: pytest.Pytester) -> None:
    expect = outcomes(project)
    expect["v1-flag-eof"] |= {"verdict": "accepted", "harmful_reads": {"vring": 1}, "causes": []}
    crasher(project, "one", expect)
    result = run(project, "--vmfuzz-crashers", "crashers")
    result.assert_outcomes(passed=2, failed=1)
    no_traceback(result)
    result.stdout.fnmatch_lines(
        [
            "___* one under v1-flag-eof ___*",
            "verdict, harmful_reads, causes: not as expected",
            "           expected  found",
            "  verdict  accepted  aborted",
            "  harmful_reads",
            "    vring  1         (absent)",
            "  causes",
            f"    + {CAUSE}",
            "  vmfuzz load crashers/one.vmstate --design v1-flag-eof",
            "=* short test summary info =*",
            "FAILED crashers/one.vmstate::v1-flag-eof - Failed: verdict, harmful_reads, causes: not as expected",
        ],
        consecutive=True,
    )


def test_tests_are_chosen_as_any_others(project: pytest.Pytester) -> None:
    expect = {"per-device": {"verdict": "refused"}, "wrap-main": {"verdict": "refused"}}
    crasher(project, "one", expect)
    crasher(project, "two", expect)
    given = ("--vmfuzz-crashers", "crashers")
    run(project, *given, "-k", "wrap-main").assert_outcomes(failed=2, deselected=3)
    run(project, *given, "crashers/two.vmstate::wrap-main").assert_outcomes(failed=1)
    run(project, *given, "crashers/two.vmstate").assert_outcomes(failed=2)
    run(project, *given, "test_own.py", "-x").assert_outcomes(passed=1, failed=1)
    run(project, *given, "--deselect", "crashers/two.vmstate").assert_outcomes(passed=1, failed=2, deselected=2)
    run(project, *given, "--ignore", "crashers/two.vmstate").assert_outcomes(passed=1, failed=2)
    run(project, "--vmfuzz-crashers", "crashers/two.json").assert_outcomes(passed=1, failed=2)
    assert run(project, *given, "crashers/two.vmstate::nothing").ret == pytest.ExitCode.USAGE_ERROR


def test_the_reference_is_loaded_once_for_all_designs(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []

    def counted(machine: Any, data: bytes, design: Any, **how: Any) -> Any:
        loads.append(design.name)
        return stages_of(machine, data, design, **how)

    monkeypatch.setattr(expectations, "stages_of", counted)
    crasher(project, "one", {name: {} for name in ("wrap-main", "per-device", "v1-flag-eof")})
    run(project, "--vmfuzz-crashers", "crashers").assert_outcomes(passed=4)
    assert loads == ["per-device", "wrap-main", "v1-flag-eof"]


def test_a_folder_elsewhere(project: pytest.Pytester) -> None:
    """What pytest makes of its name is told, where that is something else than was meant."""
    inner = project.mkdir("inner")
    (inner / "test_inner.py").write_text("def test_inner():\n    pass\n")
    crasher(project, "one", {"per-device": {"verdict": "accepted"}})
    project.chdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(inner)
        assert collected(project, "--vmfuzz-crashers=../crashers", "--rootdir", ".") == [
            "test_inner.py::test_inner",
            "../crashers/one.vmstate::per-device",
        ]
        run(project, "--vmfuzz-crashers", "../crashers").assert_outcomes(passed=2)
        named = ("--vmfuzz-crashers=../crashers", "--rootdir", ".", "../crashers/one.vmstate::per-device")
        run(project, *named).assert_outcomes(passed=1)
        (inner / "pytest.ini").write_text("[pytest]\n")
        run(project, "--vmfuzz-crashers=../crashers").assert_outcomes(passed=2)
        run(project, "--vmfuzz-crashers", "../crashers", "-c", "pytest.ini").assert_outcomes(passed=2)
        result = run(project, "--vmfuzz-crashers", "../crashers")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *another configuration; type --vmfuzz-crashers=../crashers"])


@pytest.mark.parametrize("place", ["build/crashers", ".crashers"])
def test_folders_that_pytest_passes_over(project: pytest.Pytester, place: str) -> None:
    crasher(project, "one", {"per-device": {"verdict": "accepted"}}, place)
    run(project, "--vmfuzz-crashers", place).assert_outcomes(passed=2)
    run(project, "--vmfuzz-crashers", place, ".").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--vmfuzz-crashers", "crashers"),
            "ERROR: --vmfuzz-crashers: crashers: no crashers (ID.vmstate beside ID.json) in it",
        ),
        (("--vmfuzz-crashers", "nothing"), "ERROR: --vmfuzz-crashers: nothing: no such folder"),
        (("--vmfuzz-accept",), "ERROR: --vmfuzz-accept: no crashers are given; --vmfuzz-crashers DIR does so"),
        (("--vmfuzz-design", "x.py:X"), "ERROR: --vmfuzz-design: no crashers are given; --vmfuzz-crashers DIR does so"),
        (
            ("--vmfuzz-crashers", "good", "--vmfuzz-design", "x.py:X"),
            "ERROR: --vmfuzz-design x.py:X: x.py: No such file or directory",
        ),
        (("--vmfuzz-crashers", "good", "--vmfuzz-design", "x"), "ERROR: --vmfuzz-design x: no such design*"),
    ],
)
def test_what_cannot_be_used_is_one_line(project: pytest.Pytester, words: tuple[str, ...], said: str) -> None:
    crasher(project, "one", {"per-device": {}}, "good")
    result = run(project, *words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sum(map(bool, result.errlines)) == 1
    result.stderr.fnmatch_lines([said.replace("[", "[[]")])
    no_traceback(result)


def test_a_broken_crasher_is_an_error_and_others_run(project: pytest.Pytester) -> None:
    place = project.path / "crashers"
    crasher(project, "a", {"gone": {}, "\x1b[2J": {}, "per-device": {"verdict": "accepted"}})
    crasher(project, "b", {"per-device": {}}).with_suffix(".json").write_bytes(b"\xff{")
    crasher(project, "c", {"per-device": {}}).unlink()
    crasher(project, "d", {})
    write_crasher(place, "e", NO_FULL, "nothing", {"per-device": {}})
    crasher(project, "f", {"per-device": {}}).write_bytes(bytes(range(256)))
    crasher(project, "g", {"per-device": {}}).with_suffix(".json").write_text("[" * 100_000)
    (place / "h.vmstate").write_bytes(b"")
    result = run(project, "--vmfuzz-crashers", "crashers")
    result.assert_outcomes(passed=3, errors=8)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    no_traceback(result)
    for words in (
        "crasher crashers/a.vmstate: design gone: no such design; if it is one of yours, --vmfuzz-design *",
        r"crasher crashers/a.vmstate: design '\x1b[[]2J': no such design*",
        "crasher crashers/b.vmstate: crashers/b.json: *",
        "crasher crashers/c.vmstate: crashers/c.vmstate: no such file",
        "crasher crashers/d.vmstate: nothing is expected of it; vmfuzz replay --accept --design NAME crashers/d*",
        "crasher crashers/e.vmstate: machine nothing: no such file*",
        "crasher crashers/g.vmstate: crashers/g.json: maximum recursion depth*",
        "crasher crashers/h.vmstate: crashers/h.json: No such file or directory",
    ):
        result.stdout.fnmatch_lines([words])


def test_what_the_model_raises_is_a_failure_without_a_traceback(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(*_: object, **__: object) -> None:
        raise ZeroDivisionError("no\nmore")

    monkeypatch.setattr(expectations, "stages_of", odd)
    crasher(project, "one", {"per-device": {"verdict": "accepted"}})
    result = run(project, "--vmfuzz-crashers", "crashers")
    result.assert_outcomes(passed=1, failed=1)
    no_traceback(result)
    result.stdout.fnmatch_lines(["ZeroDivisionError: no in test_pytest_plugin.odd*"])


@pytest.mark.parametrize("accept", ["--vmfuzz-accept", "--accept"])
def test_new_outcomes_are_accepted(project: pytest.Pytester, accept: str) -> None:
    seen = outcomes(project)
    wrong = {design: {**values, "rebuilds": 7} for design, values in seen.items()}
    path = crasher(project, "one", {**wrong, "wrap-main": {"foo": 1}})
    result = run(project, "--vmfuzz-crashers", "crashers", accept)
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            "=* outcomes of crashers =*",
            "accepted: crashers/one.vmstate::per-device: rebuilds",
            "accepted: crashers/one.vmstate::v1-flag-eof: rebuilds",
            "=* short test summary info =*",
        ],
        consecutive=True,
    )
    assert read_crasher(path).expect == {**seen, "wrap-main": {"foo": 1}}


def test_accept_is_somebody_else_s(project: pytest.Pytester) -> None:
    """Whoever has an option of that name keeps it, whether with crashers or without."""
    project.makeconftest("def pytest_addoption(parser):\n    parser.addoption('--accept', action='store_true')\n")
    project.makepyfile(test_own="def test_own(request):\n    assert request.config.getoption('--accept')\n")
    path = crasher(project, "one", {"per-device": {"rebuilds": 7}})
    before = path.with_suffix(".json").read_bytes()
    run(project, "--accept").assert_outcomes(passed=1)
    run(project, "--vmfuzz-crashers", "crashers", "--accept").assert_outcomes(passed=1, failed=1)
    assert path.with_suffix(".json").read_bytes() == before
    run(project, "--vmfuzz-crashers", "crashers", "--accept", "--vmfuzz-accept").assert_outcomes(passed=2)


def test_accept_means_nothing_without_crashers(project: pytest.Pytester) -> None:
    assert run(project, "--accept").ret == pytest.ExitCode.USAGE_ERROR


def test_what_cannot_be_accepted_is_no_success(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fuzz.replay.accepting.write_atomic", full)
    crasher(project, "one", {"per-device": {"rebuilds": 7}})
    result = run(project, "--vmfuzz-crashers", "crashers", "--accept")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["crasher */one.vmstate: */one.json: No space left on device"])


MINE = """\
from model.designs import Design

class Mine(Design):
    name = "mine"
"""


def test_a_configuration_names_crashers_and_designs(project: pytest.Pytester) -> None:
    """As `testpaths` do, the crashers stand for themselves where nothing is named."""
    project.makeini("[pytest]\nvmfuzz_crashers = crashers\nvmfuzz_designs =\n    designs.py:Mine\n    wrap-main\n")
    project.makepyfile(designs=MINE)
    crasher(project, "one", {"mine": {"verdict": "accepted"}})
    crasher(project, "two", {"per-device": {"verdict": "accepted"}}, "others")
    run(project).assert_outcomes(passed=2)
    run(project, "--accept").assert_outcomes(passed=2)
    assert collected(project, "test_own.py") == ["test_own.py::test_own"]
    assert collected(project, "crashers") == ["crashers/one.vmstate::mine"]
    assert collected(project, "crashers/one.vmstate::mine") == ["crashers/one.vmstate::mine"]
    assert collected(project, "--vmfuzz-crashers", "others", "others") == ["others/two.vmstate::per-device"]
    deep = project.mkdir("deep")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(deep)
        assert collected(project) == []
        run(project, "../crashers").assert_outcomes(passed=1)


def test_findings_are_held_to_their_cause(project: pytest.Pytester) -> None:
    findings = project.path / "campaign" / "findings"
    for cause in (CAUSE, "wrap-main/layout/a/b/c", "any/hang/a.b/native/-"):
        FindingStore(findings).keep(
            Found("kind", cause, "text"), NO_FULL, Origin(str(project.path / "tiny"), "stream", 1)
        )
    result = run(project, "--vmfuzz-crashers", "campaign/findings")
    result.assert_outcomes(passed=2, failed=1, skipped=1)
    result.stdout.fnmatch_lines(
        ["wrap-main/layout/a/b/c is gone", "  vmfuzz load */witness.vmstate *"], consecutive=True
    )


def test_processes_share_the_work_and_one_writes(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    seen = outcomes(project)
    wrong = {design: {**values, "rebuilds": 7} for design, values in seen.items()}
    paths = [crasher(project, name, wrong) for name in "ab"]
    words = (*LOADED, "-p", "xdist.plugin", "-n", "2", "--vmfuzz-crashers", "crashers", "--accept", "-k", "not own")
    result = project.runpytest_subprocess(*words)
    result.assert_outcomes(passed=4)
    assert sum(line.startswith("accepted: crashers/") for line in result.outlines) == 4
    for path in paths:
        assert read_crasher(path).expect == seen


def test_whoever_does_not_ask_does_not_pay(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_own="""
        import sys

        def test_own():
            heavy = ("model", "vmformat", "rich", "typer", "fuzz.")
            assert "fuzz.pytest_plugin" in sys.modules
            assert [n for n in sys.modules if n.startswith(heavy) and n != "fuzz.pytest_plugin"] == []
        """
    )
    result = project.runpytest_subprocess(*LOADED)
    result.assert_outcomes(passed=1)


def test_the_package_says_where_its_plugin_is() -> None:
    values = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    (module,) = values["project"]["entry-points"]["pytest11"].values()
    assert import_module(module) is fuzz.pytest_plugin
    assert not any(word.startswith("pytest") for word in values["project"]["dependencies"])
