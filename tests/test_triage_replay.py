"""Witnesses run once each, in children that may hang, die or eat memory; all targets, and designs of one's own."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tiny
from triaged import campaign

from fuzz.campaign import Campaign, FindingStore, Origin, Settings
from fuzz.corpus import root
from fuzz.engine import Execution, Found, Watchdog
from fuzz.programs import seed_inputs
from fuzz.targets.laws import Broken, Laws
from fuzz.targets.memory import MemoryTarget
from fuzz.targets.stream import StreamTarget
from fuzz.triage import replay as triage_replay
from fuzz.triage.replay import Answer, replay, tasks
from fuzz.triage.run import Runner, Task, Unusable
from fuzz.triage.sights import sights
from fuzz.triage.witness import Witness, Witnesses
from model.designs import DESIGNS
from model.schedule import Schedule, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UNPAIRED = "v1-flag-eof/pairing/loader/commit-without-begin/stream"
"""What a stream shows that is a header and its end."""
MINE = "mine/pairing/loader/transaction-left-open/stream"
OPENS = """
from model.designs import Design

class Mine(Design):
    name = "mine"

    def loop_begins(self, load):
        print("prints what it likes")
        load.memory.begin()
"""


def witness(name: str, **values: object) -> Witness:
    made = {"path": Path(name), "size": 3, "sha256": name, "target": "stream", "machine": "m", **values}
    return Witness(**made)  # type: ignore[arg-type]


def test_a_witness_is_run_once_for_all_its_causes() -> None:
    one, other = witness("a"), witness("b")
    same = witness("copy-of-a", sha256="a")
    asked = tasks([("x", one), ("y", other), ("z", one), ("w", same), ("v", witness("a", machine="k"))])
    assert [(task.witness.path.name, task.causes) for task in asked] == [
        ("a", ("v",)),
        ("a", ("x", "z", "w")),
        ("b", ("y",)),
    ]


def spin() -> None:
    while True:
        pass


def toy(task: Task) -> tuple[Found, ...]:
    """Does what the name of the witness says."""
    match task.witness.path.name:
        case "hang":
            spin()
        case "native":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # the watchdog cannot help
            spin()
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "memory":
            return (Found("x", str(bytearray(1 << 30)), ""),)
        case "raise":
            raise ValueError(task.causes)
        case "unusable":
            raise Unusable("no machine")
    return (Found("kind", "d/o/r/c/shows", "t"),)


CAUSES = {
    "hang": "any/hang/test_triage_replay.spin/-/-",
    "native": "any/hang/here/native/-",
    "die": "any/death/there/SIGSEGV/-",
    "exit": "any/death/?/killed/-",
    "memory": "any/memory/here/MemoryError/-",
    "raise": "any/exception/test_triage_replay.toy/ValueError/-",
    "fine": "d/o/r/c/shows",
}


def test_children_may_die_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triage_replay, "BEYOND", 0)
    monkeypatch.setattr(triage_replay, "Watchdog", lambda limit: Watchdog(limit, period=0.01))
    asked = [Task(witness(name, seconds=0.1, memory=1 << 29), (CAUSES[name], f"d/o/r/{name}/gone")) for name in CAUSES]
    asked.append(Task(witness("unusable"), ("d/o/r/c/unusable",)))
    done: list[int] = []
    answers = replay(asked, 2, done.append, toy)
    assert {cause: answers[cause].shows(cause) for cause in CAUSES.values()} == dict.fromkeys(CAUSES.values(), True)
    # Of what a process ends before it has said all, nobody can say that it does not show.
    shows = {name: answers[f"d/o/r/{name}/gone"].shows(f"d/o/r/{name}/gone") for name in CAUSES}
    assert {name for name, known in shows.items() if known is None} == {"native", "die", "exit", "memory"}
    assert not any(shows.values())
    assert answers["d/o/r/native/gone"].why_not() == "not done in the time that it has"
    assert answers["d/o/r/die/gone"].why_not() == "the process died of it"
    unusable = answers["d/o/r/c/unusable"]
    assert (unusable.shows("d/o/r/c/unusable"), unusable.why_not()) == (None, "no machine")
    assert max(done) == len(asked)


def test_how_a_process_ends_is_what_counts_where_a_clock_decides() -> None:
    """The watchdog may end it elsewhere the next time."""
    hung = Answer((Found("hang", "any/hang/elsewhere/-/-", ""),))
    assert hung.shows("any/hang/here/-/-")
    assert not Answer().shows("any/hang/here/-/-")
    assert not hung.shows("any/death/here/SIGSEGV/-")
    assert Answer(ended="death").shows("any/memory/here/MemoryError/-")


def test_interrupted_no_child_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[int] = []

    def said(_: int) -> None:
        children.extend(
            int(name) for name in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        )
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay([Task(witness("hang"), ("a/b/c/d/e",)), Task(witness("fine"), ("f/b/c/d/e",))], 2, said, toy)
    assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)


@pytest.fixture
def machine(tmp_path: Path) -> str:
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines" / "tiny.json").write_text(json.dumps(tiny.description()))
    return str(tmp_path / "tiny")


def of_campaign(made: Campaign, *designs: str) -> dict[str, bool | None]:
    """Whether each cause shows, by a replay in this process."""
    wanted = [
        (cause, sight.witness) for cause, sight in sights([made.path], Witnesses(designs)).items() if sight.witness
    ]
    runner = Runner()
    answers = {cause: Answer(runner.run(task)) for task in tasks(wanted) for cause in task.causes}
    return {cause: answer.shows(cause) for cause, answer in answers.items()}


def test_streams(tmp_path: Path, machine: str) -> None:
    data = tiny.HEADER + tiny.EOF
    made = campaign(tmp_path / "c", {UNPAIRED: data, "wrap-main/layout/x/y/z": data}, machine=machine)
    assert of_campaign(made) == {UNPAIRED: True, "wrap-main/layout/x/y/z": False}


def test_a_schedule_goes_with_its_stream(tmp_path: Path, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when a kill has left it at the end of the stream."""
    schedule = Schedule.parse(["wait 1: vcpu-access 0x0 0"])
    whole = join(tiny.HEADER + tiny.EOF, schedule)
    made = campaign(tmp_path / "c", {UNPAIRED: whole}, machine=machine)
    (sight,) = sights([made.path], Witnesses()).values()
    assert sight.witness is not None
    ran: list[bytes] = []

    def run(target: StreamTarget, data: bytes) -> Execution:
        ran.append(data)
        return real(target, data)

    real = StreamTarget.run
    monkeypatch.setattr(StreamTarget, "run", run)
    assert of_campaign(made) == {UNPAIRED: True}
    sight.witness.path.write_bytes(whole)
    assert of_campaign(made) == {UNPAIRED: True}
    assert ran == [whole, whole]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("v1-reset-changes-nothing", id="a-snapshot"),
        pytest.param("wrap-main-resumes-another-request", id="a-life-behind-the-load"),
        pytest.param("v4-another-thread-under-rcu", id="a-schedule"),
    ],
)
def test_crashers_show_all_that_they_are_kept_for(name: str, tmp_path: Path) -> None:
    for suffix in (".vmstate", ".json"):
        shutil.copy(root() / "crashers" / f"{name}{suffix}", tmp_path)
    wanted = [(cause, one.witness) for cause, one in sights([tmp_path], Witnesses()).items() if one.witness]
    assert wanted
    (task,) = tasks(wanted)
    found = {one.cause for one in Runner().run(task)}
    assert found >= {cause for cause, _ in wanted}
    assert task.witness.loadvm == (name == "v1-reset-changes-nothing")


def test_a_design_of_ones_own(tmp_path: Path, machine: str, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OPENS)
    designs = (f"{file}:Mine",)
    made = campaign(tmp_path / "c", {MINE: tiny.HEADER + tiny.EOF}, machine=machine, designs=designs)
    wanted = [(MINE, one.witness) for one in sights([made.path], Witnesses(designs)).values() if one.witness]
    assert replay(tasks(wanted), 1)[MINE].shows(MINE)
    assert capfd.readouterr().out == ""
    file.write_text(OPENS.replace("load.memory.begin()", "pass"))
    assert not replay(tasks(wanted), 1)[MINE].shows(MINE)
    file.write_text(OPENS.replace("class Mine", "class Mine("))
    assert "mine.py:Mine: line 4: " in replay(tasks(wanted), 1)[MINE].why_not()
    # What only a folder names is not run: it may be anybody's.
    unnamed = [(MINE, one.witness) for one in sights([made.path], Witnesses()).values() if one.witness]
    assert replay(tasks(unnamed), 1)[MINE].why_not() == f"design mine: it takes --design {file}:Mine"
    assert unnamed[0][1].command(MINE).endswith(f"--design {file}:Mine")


def test_programs(tmp_path: Path) -> None:
    target = MemoryTarget([DESIGNS["v2-postponed-checks"]])
    cause, data = next((one.cause, data) for data in seed_inputs() for one in target.run(data).found)
    design = cause.partition("/")[0]
    gone = f"{design}/guard/x/y/z"
    made = campaign(tmp_path / "c", {cause: data, gone: data}, target="memory", machine="")
    assert of_campaign(made) == {cause: True, gone: False}


def test_laws(tmp_path: Path, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cause = "vmformat/law/write/bytes/stream"
    made = campaign(tmp_path / "c", {cause: b"QEVM"}, target="roundtrip", machine=machine)
    assert of_campaign(made) == {cause: False}

    def broken(*_: object) -> Iterator[Broken]:
        yield Broken("write", "differs")

    monkeypatch.setattr(Laws, "quick", broken)
    assert of_campaign(made) == {cause: True}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one.unlink(), "witness.vmstate: No such file or directory"),
        (lambda one: (one.parents[3] / "machines" / "tiny.json").write_text("{"), "tiny.json"),
        (lambda one: (one.parents[3] / "machines" / "tiny.json").unlink(), "tiny"),
    ],
)
def test_what_cannot_be_run_says_why(tmp_path: Path, machine: str, change: Callable[[Path], object], said: str) -> None:
    made = campaign(tmp_path / "c", {UNPAIRED: tiny.HEADER + tiny.EOF}, machine=machine)
    (sight,) = sights([made.path], Witnesses()).values()
    assert sight.witness is not None
    change(sight.witness.path)
    answer = replay(tasks([(UNPAIRED, sight.witness)]), 1)[UNPAIRED]
    assert answer.shows(UNPAIRED) is None
    assert said in answer.why_not()
    assert "\n" not in answer.why_not()


def test_a_machine_named_from_another_folder(tmp_path: Path, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers wrote down where its description is."""
    made = Campaign(tmp_path / "c")
    made.open(Settings("stream", ("./tiny",), ("v1-flag-eof",), 1))
    store = FindingStore(made.findings)
    store.keep(Found("k", UNPAIRED, "t"), tiny.HEADER + tiny.EOF, Origin("./tiny", "stream", 1))
    with pytest.raises(Unusable, match="tiny"):
        of_campaign(made)
    spec = {
        "worker": "tiny",
        "target": "stream",
        "machine": "./tiny",
        "description": str(tmp_path / "machines" / "tiny.json"),
        "seeds": [],
        "designs": [],
        "seed": 1,
        "campaign": "c",
    }
    made.prepare("tiny", "tiny")
    (made.worker("tiny") / "spec.json").write_text(json.dumps(spec))
    assert of_campaign(made) == {UNPAIRED: True}
