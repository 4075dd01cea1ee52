"""`vmfuzz oss-fuzz`: the trial of a real target is in test_docs_continuous; here is what it does with broken ones."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path

import pytest

from fuzz import cli
from fuzz.commands.oss_fuzz import OssFuzzOptions, oss_fuzz
from fuzz.oss.raising import function_names
from fuzz.oss.trial import ready
from fuzz.oss.trial.checks import Check, Trial
from fuzz.oss.trial.engine import Said
from fuzz.oss.trial.place import Place, TrialError, checkout
from fuzz.oss.trial.process import run

GOOD = "INFO: found LLVMFuzzerCustomMutator (0x7). Disabling -len_control by default."


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "trial")
    for folder in (place.built, place.commands):
        folder.mkdir(parents=True)
    return place


def target(place: Place, script: str, *, options: str = "max_len = 64", seeds: tuple[str, ...] = ("one",)) -> None:
    """A fuzz target that is a shell script."""
    path = place.built / "fuzz_it"
    path.write_text(f"#!/bin/sh\n# LLVMFuzzerTestOneInput\n{script}\n")
    path.chmod(0o755)
    (place.built / "fuzz_it.options").write_text(f"[libfuzzer]\n{options}\n")
    (place.built / "fuzz_it.dict").write_text('a="b"\n')
    with zipfile.ZipFile(place.built / "fuzz_it_seed_corpus.zip", "w") as corpus:
        for seed in seeds:
            corpus.writestr(seed, seed)


def tried(place: Place) -> dict[str, Check]:
    trial = Trial(place, "fuzz_it", "-runs=10", lambda _what, _now: None)
    return {check.name: check for check in trial.checks()}


def test_targets_are_found_as_a_service_finds_them(place: Place) -> None:
    target(place, "")
    (place.built / "fuzz_it.pkg").write_text("LLVMFuzzerTestOneInput, but not to be executed")
    (place.built / "helper").write_text("nothing")
    (place.built / "helper").chmod(0o755)
    assert ready.fuzz_targets(place.built) == ("fuzz_it",)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 1", "status 1: it said nothing"),
        ("echo 'ModuleNotFoundError: model'; exit 1", "status 1: ModuleNotFoundError: model"),
        ("echo 'Done 4 runs in 0 second(s)'", "no feedback: nothing under test has probes"),
        ("echo '#2 INITED cov: 9 ft: 9 corp: 1/1b'; echo 'Done 4 runs in 0'", "does not see the custom mutator"),
    ],
    ids=["dies", "misses a module", "no probes", "no mutator"],
)
def test_a_build_that_cannot_be_used(place: Place, script: str, said: str) -> None:
    target(place, script)
    checks = tried(place)
    assert list(checks) == ["files", "starts"]
    assert checks["files"].text == "1 words, 1 seeds"
    assert not checks["starts"].passed
    assert said in checks["starts"].text


def test_a_target_that_finds_nothing_and_hides_its_crash(place: Place) -> None:
    steps = ("#2 INITED cov: 9 ft: 9 corp: 1/1b", "#9 DONE cov: 9 ft: 9 corp: 1/1b", "Done 9 runs")
    target(place, "\n".join(f"echo '{line}'" for line in (GOOD, *steps)))
    checks = tried(place)
    assert [name for name, check in checks.items() if check.passed] == ["files", "starts", "seeds"]
    assert checks["search"].text == "9 executions, and nothing new beyond 9 features"
    assert checks["merge"].text.startswith("status 0, 0 files kept")
    assert checks["crash"].text == "status 0 where 77 was expected, no file left"


@pytest.mark.parametrize(
    ("options", "seeds"),
    [("max_len = 2", ("long",)), ("max_len = 9", ()), ("nonsense", ("a",)), ("max_len = 9", ("a/b",))],
    ids=["a long seed", "no seed", "no options", "a folder"],
)
def test_files_that_a_service_cannot_read(place: Place, options: str, seeds: tuple[str, ...]) -> None:
    target(place, "", options=options, seeds=seeds)
    checks = tried(place)
    assert list(checks) == ["files"]
    assert not checks["files"].passed


def test_options_and_limits_are_given_as_a_service_gives_them(place: Place) -> None:
    target(place, f'echo "$@" > {place.path}/given; exit 1', options="max_len = 64\ndict = fuzz_it.dict")
    tried(place)
    given = (place.path / "given").read_text().split()
    assert given[:2] == ["-rss_limit_mb=2560", "-timeout=25"]
    assert given[-2:] == ["-max_len=64", "-dict=fuzz_it.dict"]


def test_what_the_engine_says() -> None:
    said = Said(
        "#7\tINITED cov: 437 ft: 440 corp: 6/157b exec/s: 0 rss: 60Mb\n"
        "#9\tDONE   cov: 437 ft: 500 corp: 8/157b lim: 36 exec/s: 0 rss: 60Mb\nDone 9 runs in 0 second(s)\n"
        ' === Uncaught Python exception: ===\nNewCause: a/b/c/d/e\n  File "x.py", line 1, in outer\n'
        "  File \"x.py\", line 2, in inner\nartifact_prefix='./'; Test unit written to ./crash-1\n"
        "MERGE-OUTER: 125 new files with 697 new features added; 697 new coverage edges\n"
    )
    first, last = said.step("INITED"), said.step("DONE")
    assert first is not None
    assert last is not None
    assert (first.features, last.features, last.executions, last.corpus) == (440, 500, 9, 8)
    assert (said.done, said.left, said.raised) == (9, "./crash-1", "NewCause: a/b/c/d/e")
    assert (said.state, said.merged) == (("inner", "outer"), (125, 697))


def test_the_planted_cause_is_what_would_be_filed() -> None:
    assert function_names("planted/control/nobody/input/none")[::-1][0] == "cause_planted_control"


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(TrialError, match="not empty and not a trial's"):
        Place(tmp_path).prepare(checkout(), ())
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_program_is_ended_with_what_it_started(tmp_path: Path) -> None:
    def tell(_now: float) -> None:
        raise KeyboardInterrupt

    child = tmp_path / "child"
    with pytest.raises(KeyboardInterrupt):
        run(["sh", "-c", f"sleep 60 & echo $! > {child}; wait"], tmp_path / "log", tmp_path, os.environ, tell)
    state = Path("/proc", child.read_text().strip(), "stat") if child.exists() else child
    for _ in range(100):  # it has its signal, and dies as soon as it runs
        if not lives(state):
            break
        time.sleep(0.05)
    assert not lives(state)


def lives(state: Path) -> bool:
    """Whether a process is there, by its file in /proc."""
    try:
        return state.read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target", "fuzz_nothing"], "--target fuzz_nothing: no such fuzz target; there are fuzz_memory"),
        (["--time", "soon"], "--time soon: expected a duration"),
        (["--time", "5s", "--runs", "3"], "--time and --runs: give one of them"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["vmfuzz", "oss-fuzz", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert oss_fuzz(OssFuzzOptions(out=tmp_path / "file", bundle=False)) == 2
    assert "is a file, not a folder" in capsys.readouterr().err
