"""Machines, streams and crashers by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fuzz import corpus
from fuzz.commands.replay import ReplayOptions, replay
from fuzz.corpus import CorpusError, find_machine, find_stream
from fuzz.crashers import CrasherError, read_crasher, summary, write_crasher
from fuzz.replay import Replayer, differences, given
from model import At, Cause, Finding, Outcome
from model.schedule import Schedule

if TYPE_CHECKING:
    from pathlib import Path

    from fuzz.crashers import Expectation


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with one shipped machine, and a capture in `mine` of the working folder."""
    for base, name in (("package/corpus", "pc-small"), ("work/mine", "odd"), ("work/two", "a"), ("work/two", "b")):
        folder = tmp_path / base
        (folder / "machines").mkdir(parents=True, exist_ok=True)
        (folder / "machines" / f"{name}.json").write_text("{}")
        (folder / "seeds" / name).mkdir(parents=True)
        for moment in ("after", "before"):
            (folder / "seeds" / name / f"{moment}.vmstate").write_bytes(name.encode())
    monkeypatch.setattr(corpus, "_HERE", tmp_path / "package")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("pc-small", "pc-small"),
        ("mine/odd", "odd"),
        ("mine", "odd"),
        ("mine/machines/odd.json", "odd"),
        ("two/b", "b"),
    ],
)
def test_ways_to_name_a_machine(shipped: Path, typed: str, name: str) -> None:
    found = find_machine(typed)
    assert (found.name, found.typed) == (name, typed)
    assert [seed.stem for seed in found.seeds] == ["after", "before"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("nothing", "machine nothing: no such file, and shipped are pc-small"),
        ("two", "machine two: name one of its machines (two/a, two/b)"),
        ("mine/other", "machine mine/other: no such file, and shipped are pc-small"),
    ],
)
def test_a_machine_that_is_not_there_is_one_line(shipped: Path, typed: str, said: str) -> None:
    with pytest.raises(CorpusError) as raised:
        find_machine(typed)
    assert str(raised.value) == said


@pytest.mark.parametrize("typed", ["pc-small/after", "mine/odd/before", "mine/seeds/odd/after.vmstate"])
def test_ways_to_name_a_stream(shipped: Path, typed: str) -> None:
    assert find_stream(typed).read_bytes() in {b"pc-small", b"odd"}
    with pytest.raises(CorpusError, match="pc-small/after, pc-small/before"):
        find_stream(f"{typed}r")


def test_a_crasher_survives_the_round_trip(tmp_path: Path) -> None:
    cause = Cause("wrap-main", "flat-view-while-pending", "vring", "region", "virtio-blk")
    outcome = Outcome("wrap-main", "refused", At(5, "timer", 0, "", ()), harmful_reads=(("vring", 1),))
    expect = {"wrap-main": summary(outcome, (Finding("harmful read", cause, "t"),))}
    schedule = Schedule.parse("wait 3: vcpu-command 0000:00:02.0 0x4; ram 0: rcu-reclaim")
    for written in (
        write_crasher(tmp_path, "one", b"bytes", "pc-small", expect),
        write_crasher(tmp_path, "two", b"bytes", "pc-small", expect, schedule=schedule, loadvm=True),
    ):
        for path in (written.path, written.path.with_suffix(".json")):
            assert read_crasher(path) == written
    assert written.expect["wrap-main"]["causes"] == [str(cause)]
    assert differences(expect["wrap-main"], json.loads(json.dumps(expect["wrap-main"]))) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting property name"),
        ("{}", "no 'machine'"),
        ('{"machine": 1, "expect": {}}', "machine must be a string"),
        ('{"machine": "m", "expect": {"wrap-main": "accepted"}}', "expect an object of objects"),
        ('{"machine": "m", "expect": {}, "schedule": "wait"}', 'schedule: expected null or a list of steps, found "wa'),
        ('{"machine": "m", "expect": {}, "schedule": ["wait"]}', "one.json: schedule: expected `POINT N: ACTOR"),
        ('{"machine": "pc-small", "expect": {}, "schedule": ["ram 0: nobody"]}', "no such actor"),
    ],
)
def test_a_damaged_crasher_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "one.vmstate").write_bytes(b"")
    (tmp_path / "one.json").write_text(text)
    with pytest.raises(CrasherError, match=said) as raised:
        Replayer().rows(read_crasher(tmp_path / "one.vmstate"))
    assert "\n" not in str(raised.value)
    assert replay(ReplayOptions((tmp_path / "one.vmstate",))) == 2


def test_the_causes_of_a_crasher_are_those_that_can_be_read(tmp_path: Path) -> None:
    """Whatever a person writes there: what is no cause is compared, and asks for nothing."""
    expect: dict[str, Expectation] = {
        "one": {"causes": ["one/resume-a/b/c/d", "odd", 7]},
        "two": {"verdict": "accepted"},
        "three": {"causes": 3},
    }
    assert write_crasher(tmp_path, "one", b"", "pc-small", expect).causes == ("one/resume-a/b/c/d",)


def test_crashers_are_named_by_stream_by_json_or_by_folder_each_once(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_crasher(tmp_path, name, b"", "m", {})
    found = given([tmp_path / "b.json", tmp_path])
    assert [path.name for path in found.crashers] == ["b.vmstate", "a.vmstate"]
