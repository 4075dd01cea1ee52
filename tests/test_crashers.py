"""Every crasher of the corpus, a row each: under each design it comes out as expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.crashers import read_crasher
from fuzz.replay import Replayer

FOLDER = Path(__file__).resolve().parent.parent / "corpus" / "crashers"
CRASHERS = sorted(FOLDER.glob("*.vmstate"))


@pytest.fixture(scope="module")
def replayer() -> Replayer:
    return Replayer()


def test_there_are_crashers() -> None:
    assert CRASHERS


@pytest.mark.parametrize("path", CRASHERS, ids=[path.stem for path in CRASHERS])
def test_crasher(path: Path, replayer: Replayer) -> None:
    crasher = read_crasher(path)
    assert crasher.expect
    for row in replayer.rows(crasher):
        assert row.as_expected, (row.design, row.result)
