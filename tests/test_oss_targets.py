"""The fuzz targets: what lies beside them is current, and how they end tells causes apart."""

from __future__ import annotations

import re
import subprocess
import sys
import traceback
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.baseline import Baseline, read_baseline
from fuzz.corpus import root, shipped_machines
from fuzz.crashers import read_crasher
from fuzz.engine import Execution, FeatureMap, Found
from fuzz.oss.build import archive, held_designs, mutator_of, seed_inputs, target_of
from fuzz.oss.bundle import bundle
from fuzz.oss.definition import FOLDER, KNOWN, FuzzTarget, defined, names
from fuzz.oss.dictionary import escaped, files
from fuzz.oss.entry import PLANTED, OneInput, command
from fuzz.oss.raising import LONGEST, NewCause, function_names, new_cause
from fuzz.oss.trial import ready
from model import DESIGNS
from model.designs import HELD

if TYPE_CHECKING:
    from pathlib import Path

SMALL = FuzzTarget("stream", machine="pc-small")


def filed(frame: str) -> str:
    """What ClusterFuzz makes of a function's name before it compares."""
    frame = frame.rsplit("!", maxsplit=1)[-1]
    if match := re.match(r"(.*?)[\(\[].*", frame):
        frame = match[1].strip()
    frame = frame.strip().split(" ")[0]
    frame = re.sub(r"0x[a-fA-F0-9]{4,}[U]*", "ADDRESS", frame)
    frame = re.sub(r"(?<![:0-9.])(?:[0-9.]{4,}|(?<=[@#])[0-9]+)(?![A-Za-z0-9.])", "NUMBER", frame)
    return frame[:LONGEST]


def ends_with(found: list[Found]) -> tuple[NewCause, list[str]]:
    """The exception, and the names of the three innermost functions, outermost first."""
    with pytest.raises(NewCause) as caught:
        new_cause(found)
    return caught.value, [frame.name for frame in traceback.extract_tb(caught.tb)[-3:]]


@pytest.mark.parametrize("name", names())
def test_a_target_is_complete(name: str) -> None:
    target = defined(name)
    assert re.fullmatch(r"fuzz_[a-z0-9_]+", name)
    assert target.machine in shipped_machines() or target.kind == "memory"
    text = (FOLDER / f"{name}.py").read_text()
    assert "__future__" not in text, "builds that measure coverage put lines before it"
    assert ready.dictionary(FOLDER / f"{name}.dict") > 40
    assert int(ready.options(FOLDER / f"{name}.options")["max_len"]) > 100


def test_dictionaries_and_options_are_current() -> None:
    for name, text in files():
        assert (FOLDER / name).read_text() == text, "renew them: python -m fuzz.oss.dictionary"


def test_there_is_no_target_of_that_name() -> None:
    with pytest.raises(KeyError):
        defined("fuzz_nothing")


@given(st.binary(min_size=1))
def test_words_are_written_as_libfuzzer_reads_them(data: bytes) -> None:
    text = escaped(data)
    assert text.isascii()
    read = re.sub(r"\\x([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), text)
    assert read.encode("latin-1") == data


def test_a_word_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.dict"
    path.write_text('# said\n\nname="a\\x00\\\\\\""\n"without a name"\nat@3="x"\n')
    assert ready.dictionary(path) == 3
    path.write_text('good="a"\nbad=a\n')
    with pytest.raises(ValueError, match=r"a\.dict:2: expected NAME"):
        ready.dictionary(path)


def test_the_held_designs_run_where_nobody_else_does() -> None:
    assert all(DESIGNS[design.name] is design for design in HELD)
    assert held_designs(SMALL) == tuple(design.name for design in HELD)
    for other in (FuzzTarget("memory"), FuzzTarget("roundtrip", machine="pc-small")):
        assert held_designs(other) == ()
    assert held_designs(FuzzTarget("stream", machine="pc-small", schedules=True)) == ()


def test_a_seed_corpus_is_flat_and_always_the_same() -> None:
    inputs = seed_inputs(FuzzTarget("memory"))
    packed = archive(inputs)
    assert packed == archive(inputs)
    with zipfile.ZipFile(BytesIO(packed)) as corpus:
        assert {corpus.read(name) for name in corpus.namelist()} == set(inputs)
        assert all(re.fullmatch("[0-9a-f]{40}", name) for name in corpus.namelist())


def test_what_is_known_does_not_end_a_target() -> None:
    known = read_baseline(FOLDER / KNOWN)
    one = OneInput(target_of(SMALL), FeatureMap(), known)
    inputs = seed_inputs(SMALL)
    for data in inputs:
        one.execute(data)
    bare = OneInput(target_of(SMALL), FeatureMap(), Baseline())
    repeated = (root() / "crashers" / "v6-repeated-section.vmstate").read_bytes()
    assert repeated in inputs
    with pytest.raises(NewCause, match="no-caches"):  # the control: without the file it would
        bare.execute(repeated)


def test_mutants_know_of_schedules_where_they_are_asked_for() -> None:
    counts = mutator_of(FuzzTarget("stream", machine="pc-small", schedules=True)).counts()
    assert counts.keys() > mutator_of(SMALL).counts().keys()


def test_a_new_cause_is_what_crashes_are_told_apart_by() -> None:
    cause = "v6-do-commit/device-state/interrupt-line/derived/virtio-blk"
    error, frames = ends_with([Found("divergence", cause, "a story")])
    assert frames == ["cause_virtio_blk", "cause_interrupt_line_derived", "cause_v6_do_commit_device_state"]
    assert str(error).splitlines() == [cause, "a story"]


def test_the_first_of_several_causes_is_raised() -> None:
    found = [Found("a", f"{design}/o/r/c/d", "text") for design in ("zz", "aa", "mm")]
    error, frames = ends_with(found)
    assert str(error).splitlines() == ["aa/o/r/c/d", "text", "also: mm/o/r/c/d", "also: zz/o/r/c/d"]
    assert ends_with(found[::-1])[1] == frames


PARTS = st.text(st.characters(codec="ascii", exclude_characters="/"), min_size=1, max_size=120)


@given(st.lists(PARTS, min_size=5, max_size=5))
def test_nothing_of_a_name_is_lost(parts: list[str]) -> None:
    for name in function_names("/".join(parts)):
        assert filed(name) == name
        assert name.isidentifier()


def test_no_two_shipped_causes_are_filed_as_one() -> None:
    crashers = [read_crasher(path) for path in sorted((root() / "crashers").glob("*.vmstate"))]
    causes = {cause for crasher in crashers for cause in crasher.causes}
    assert len(causes) > 50
    assert len({function_names(cause) for cause in causes}) == len(causes)


class Quiet:
    """A target that never shows anything."""

    name = "quiet"

    def run(self, data: bytes) -> Execution:
        return Execution()


def test_the_control_ends_on_the_planted_input_alone() -> None:
    one = OneInput(Quiet(), FeatureMap(), Baseline(), plant="0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33")
    one.execute(b"bar")
    with pytest.raises(NewCause, match=PLANTED):
        one.execute(b"foo")
    OneInput(Quiet(), FeatureMap(), Baseline()).execute(b"foo")


def test_what_was_lit_before_the_first_input_is_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    features = FeatureMap()
    features.counters[3] = 1
    lit: list[int] = []
    monkeypatch.setattr(features, "register", lambda: lit.append(sum(features.counters)))
    OneInput(Quiet(), features, Baseline())(b"")
    assert lit == [0]


def test_probes_come_before_what_is_under_test() -> None:
    program = (
        "import sys; import fuzz.oss.targets.fuzz_stream_pc_small as target; "
        "sys.exit(bool({'model', 'vmformat'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_libfuzzer_can_start_a_target_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command(["a b.py", "-merge=1"]) == [f"{sys.executable} 'a b.py'", "-merge=1"]
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert command(["/x/fuzz_a.pkg"]) == ["/x/fuzz_a.pkg"]


def test_a_bundle_has_sources_and_one_machine(tmp_path: Path) -> None:
    (tmp_path / "model" / "devices").mkdir(parents=True)
    for name in ("model/a.py", "model/devices/b.py"):
        (tmp_path / name).touch()
    arguments = list(bundle(SMALL, tmp_path))
    assert f"--add-data={tmp_path}/model/devices/*.py:model/devices" in arguments
    assert f"--add-data={tmp_path}/corpus/machines/pc-small.json:fuzz/corpus/machines" in arguments
    assert all(argument.startswith("--add-data=") for argument in arguments)
