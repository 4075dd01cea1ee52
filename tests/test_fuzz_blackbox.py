"""The black box: what a process was doing when it ended, and nothing when it was doing nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.work.blackbox import BlackBox, Last, forget, progress, read_box

ROOT = Path(__file__).resolve().parent.parent
DIES = """
import os, signal, sys
from pathlib import Path
from fuzz.work.blackbox import BlackBox
box = BlackBox(Path(sys.argv[1]), 64)
box.begin(b"harmless", 6)
box.end()
box.begin(b"deadly", 7, 1)
if sys.argv[2] == "between":
    box.end()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("when", "last"), [("during", Last(b"deadly", 7, 1)), ("between", None)])
def test_it_outlives_its_process(tmp_path: Path, when: str, last: Last | None) -> None:
    path = tmp_path / "current"
    done = subprocess.run([sys.executable, "-c", DIES, str(path), when], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert read_box(path) == last
    assert progress(path) == (7, when == "during")
    forget(path)
    assert read_box(path) is None


def test_an_input_longer_than_the_room_is_cut_off_and_a_new_box_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "current"
    box = BlackBox(path, 4)
    box.begin(b"abcdef", 1)
    assert read_box(path) == Last(b"abcd", 1, 0)
    box.close()
    BlackBox(path, 4).close()
    assert read_box(path) is None
    assert os.path.getsize(path) == 36  # noqa: PTH202


def test_what_an_earlier_process_died_of_stays_until_something_begins(tmp_path: Path) -> None:
    path = tmp_path / "current"
    last = Last(b"deadly", 7, 1)
    box = BlackBox(path, 64, last)
    assert read_box(path) == last
    box.begin(b"other", 1)
    box.end()
    assert read_box(path) is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["current"]


@given(data=st.binary(max_size=80))
def test_any_bytes_in_its_place_are_no_box(data: bytes) -> None:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"vmfuzz-box-{os.getpid()}"
    try:
        path.write_bytes(data)
        assert read_box(path) is None
        assert progress(path) is None
        path.write_bytes(b"VMFZBOX1" + data)
        last = read_box(path)
        assert last is None or len(last.data) <= len(data)
    finally:
        path.unlink(missing_ok=True)
