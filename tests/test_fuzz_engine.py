"""The engine's parts: feature map, probes, harness, and one real run inside atheris."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from fuzz.engine import Engine, Execution, FeatureMap, Found, Harness, exception_found
from fuzz.engine.probes import ProbeFinder, install, instrument, remove

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Stop(BaseException):
    """Stands for the end of the process."""


class Listener:
    """A report that only remembers."""

    def __init__(self) -> None:
        self.causes: list[tuple[str, bytes, int]] = []
        self.last: tuple[int, int, str] | None = None
        self.stop_at = -1
        self.running = b""
        self.fresh: list[int] = []

    def found(self, found: Found, data: bytes, execution: int) -> None:
        assert self.running == data  # a kill in the middle of it finds the input in the black box
        self.causes.append((found.cause, data, execution))

    def began(self, data: bytes, execution: int) -> None:
        self.running = data

    def ended(self, data: bytes, execution: int, fresh: int) -> None:
        assert self.running == data
        self.running = b"nothing"
        self.fresh.append(fresh)

    def tick(self, executions: int, situations: int) -> str:
        return "asked" if executions == self.stop_at else ""

    def stopped(self, executions: int, situations: int, reason: str) -> None:
        self.last = (executions, situations, reason)


class Toy:
    """A target with a finding at b"F" and an exception at b"X"."""

    name = "toy"

    def run(self, data: bytes) -> Execution:
        if data == b"X":
            raise ValueError("boom")
        found = (Found("divergence", "toy/verdict/loader/a->b/stream", "text"),) if data == b"F" else ()
        return Execution([("length", len(data))], found)


def leave(_status: int) -> None:
    raise Stop


def harness(report: Listener, **limits: int) -> Harness:
    return Harness(Toy(), report, FeatureMap(256, 16), executions=limits.get("executions"), leave=leave)


def test_an_exception_is_a_finding_and_the_engine_goes_on() -> None:
    report = Listener()
    toy = harness(report)
    for data in (b"", b"F", b"X", b"F"):
        toy.execute(data)
    assert [(cause, data) for cause, data, _ in report.causes] == [
        ("toy/verdict/loader/a->b/stream", b"F"),
        ("any/exception/test_fuzz_engine.run/ValueError/-", b"X"),
        ("toy/verdict/loader/a->b/stream", b"F"),
    ]
    assert toy.executions == 4


@pytest.mark.parametrize("reason", ["executions", "asked", "signal"])
def test_stopping_happens_between_executions_after_the_last_words(reason: str) -> None:
    report = Listener()
    toy = harness(report, executions=3) if reason == "executions" else harness(report)
    toy.TICK = 0.0
    report.stop_at = 3 if reason == "asked" else -1
    for _ in range(3):
        toy.execute(b"a")
    if reason == "signal":
        toy.stop("signal")
    with pytest.raises(Stop):
        toy.execute(b"a")
    assert report.last == (3, 1, reason)


def test_a_feature_has_the_same_counter_in_every_map() -> None:
    one, other = FeatureMap(), FeatureMap()
    other.mark([("something", "else"), ("verdict", "wrap-main", "refused")])
    assert one.slot(("verdict", "wrap-main", "refused")) == other.slot(("verdict", "wrap-main", "refused"))
    assert other.counters[one.slot(("verdict", "wrap-main", "refused"))] == 1
    assert other.situations == 2


def test_what_one_execution_lit_can_be_told_apart() -> None:
    features = FeatureMap(256, 16)
    features.counters[0] = features.counters[15] = features.counters[255] = 1
    assert features.taken() == (0, 15, 255)
    features.clear()
    assert features.taken() == ()
    features.mark([("a",)])
    assert features.taken() == (features.slot(("a",)),)


def test_a_cause_of_an_exception_names_no_line() -> None:
    def deep() -> None:
        raise KeyError("k")

    with pytest.raises(KeyError) as raised:
        deep()
    found = exception_found("wrap-main", raised.value)
    assert found.cause == "wrap-main/exception/test_fuzz_engine.deep/KeyError/-"


SOURCE = '''
from __future__ import annotations

LIMIT = 3

def classify(n: int) -> str:
    """Says what n is."""
    if n < 0:
        return "negative"
    elif n == 0:
        return "zero"
    total = 0
    for i in range(n):
        total += i
        if total > LIMIT:
            break
    else:
        return "small"
    try:
        raise ValueError
    except ValueError:
        pass
    match n:
        case 7:
            return "seven"
        case _:
            return "large"

class Thing:
    def method(self) -> int:
        return 1
'''


def probed(counters: bytearray) -> Callable[[int], str]:
    code, _ = instrument(SOURCE, "toy.py", 0, len(counters))
    space: dict[str, object] = {"__vmfuzz_counters__": counters, "__name__": "toy"}
    exec(code, space)
    function = space["classify"]
    assert callable(function)
    return function


@pytest.mark.parametrize(("n", "said"), [(-1, "negative"), (0, "zero"), (2, "small"), (7, "seven"), (9, "large")])
def test_probes_tell_the_branches_apart_and_change_nothing(n: int, said: str) -> None:
    plain: dict[str, object] = {"__name__": "toy"}
    exec(compile(SOURCE, "toy.py", "exec"), plain)
    counters = bytearray(64)
    classify = probed(counters)
    assert classify.__doc__ == "Says what n is."
    assert classify(n) == said == plain["classify"](n)  # type: ignore[operator]
    mine = bytes(counters)
    for other in (-1, 0, 2, 7, 9):
        if other != n:
            counters[:] = bytes(64)
            classify(other)
            assert bytes(counters) != mine


def test_probes_are_written_into_the_source_beside_what_a_bundle_would_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = ModuleSpec("bundled", None, origin="elsewhere")
    monkeypatch.setattr("fuzz.engine.probes.PathFinder.find_spec", lambda *_: bundled)
    finder = ProbeFinder(("bundled",), bytearray(64), 64)
    assert finder.find_spec("bundled", [str(tmp_path)]) is bundled
    (tmp_path / "bundled.py").write_text("def double(n):\n    return 2 * n\n")
    found = finder.find_spec("bundled", [str(tmp_path)])
    assert found is not None
    assert found.origin == str(tmp_path / "bundled.py")
    module = importlib.util.module_from_spec(found)
    assert found.loader is not None
    found.loader.exec_module(module)
    assert (module.double(2), finder.counters[0]) == (4, 1)


class Library:
    """Stands for a libFuzzer: notes what it was asked to count."""

    def __init__(self, name: str | None) -> None:
        self.name = name
        self.given: dict[str, int] = {}

    def __getitem__(self, function: str) -> Callable[[int, int], None]:
        def note(start: int, end: int) -> None:
            self.given[function] = end - start

        return note


@pytest.mark.parametrize("built_in", [True, False])
def test_counters_go_to_the_libfuzzer_that_atheris_uses(built_in: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Library] = []

    def library(name: str | None) -> Library:
        opened.append(Library(name))
        return opened[-1]

    monkeypatch.setattr("fuzz.engine.features.ctypes.CDLL", library)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    sys.modules.pop("atheris.core_with_libfuzzer", None)
    if built_in:
        module = ModuleType("atheris.core_with_libfuzzer")
        module.__file__ = "/built/in.so"
        sys.modules["atheris.core_with_libfuzzer"] = module
    FeatureMap(1 << 10, 1 << 9).register()
    assert opened[0].name == ("/built/in.so" if built_in else None)
    sizes = {"__sanitizer_cov_8bit_counters_init": 1 << 10, "__sanitizer_cov_pcs_init": 1 << 14}
    assert opened[0].given == sizes


def test_probe_numbers_depend_on_the_source_alone() -> None:
    first, count = instrument(SOURCE, "toy.py", 5, 64)
    second, _ = instrument(SOURCE, "toy.py", 5, 64)
    assert first.co_code == second.co_code
    assert count > 12


def test_the_import_hook_instruments_only_what_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("vmfuzz_toy_in", "vmfuzz_toy_out"):
        (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    counters = bytearray(64)
    finder = install(["vmfuzz_toy_in"], counters, 64)
    try:
        inside, outside = importlib.import_module("vmfuzz_toy_in"), importlib.import_module("vmfuzz_toy_out")
    finally:
        remove(finder)
    outside.classify(7)
    assert not any(counters)
    inside.classify(7)
    assert any(counters)
    # Nobody may take it for the plain module.
    kept = {file.name for file in tmp_path.glob("__pycache__/vmfuzz_toy_in*")}
    assert kept <= {f"vmfuzz_toy_in.{sys.implementation.cache_tag}.opt-probes.pyc"}


def test_what_is_remembered_lights_nothing() -> None:
    source = """
from functools import lru_cache

def helper() -> int:
    return 1

@lru_cache(maxsize=None)
def once() -> int:
    return helper()

class Thing:
    def fill(self) -> int:
        "Fills a cache."
        for _ in range(2):
            helper()
        return 1
"""
    counters = bytearray(8)
    code, _ = instrument(source, "toy.py", 0, 8, quiet=["Thing.fill"])
    space: dict[str, Any] = {"__vmfuzz_counters__": counters, "__name__": "toy"}
    exec(code, space)
    counters[7] = 1
    assert space["once"]() == space["Thing"]().fill() == 1
    assert space["Thing"].fill.__doc__ == "Fills a cache."
    assert bytes(counters) == bytes(7) + b"\1"
    space["helper"]()
    assert sum(counters) == 2


def test_a_quiet_function_must_be_there() -> None:
    with pytest.raises(ValueError, match=r"no function Thing\.missing"):
        instrument(SOURCE, "toy.py", 0, 64, quiet=["Thing.missing"])


def test_a_modules_probes_have_the_same_numbers_whenever_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"vmfuzz_toy_{letter}" for letter in "pq"]
    for name in names:
        (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    lit = []
    for order in (names, names[::-1]):
        counters = bytearray(64)
        finder = install(names, counters, 64)
        try:
            toys = {name: importlib.import_module(name) for name in order}
        finally:
            remove(finder)
        for name in names:
            counters[:] = bytes(64)
            toys[name].classify(7)
            lit.append(bytes(counters))
            del sys.modules[name]
    assert lit[0] != lit[1]
    assert lit[:2] == lit[2:]


def test_the_engine_is_always_told_the_longest_input_and_never_seed_zero() -> None:
    arguments = Engine(0, max_len=2_300_000).arguments()
    assert "-max_len=2300000" in arguments
    assert "-seed=1" in arguments
    # No folder: libFuzzer writes nothing.
    assert all(argument.startswith("-") for argument in arguments[1:])


RUN = """
import sys
from pathlib import Path
from fuzz.engine import *
from random import Random

class Said:
    def began(self, data, execution): pass
    def ended(self, data, execution, fresh):
        if fresh: print("fresh", fresh, data, flush=True)
    def found(self, found, data, execution): print("found", found.cause, data, flush=True)
    def tick(self, executions, situations): return ""
    def stopped(self, executions, situations, reason): print("stopped", executions, situations, reason, flush=True)

class Steps:
    name = "steps"
    def run(self, data):
        good = 0
        while good < 4 and data[good:good + 1] == b"GOAL"[good:good + 1]: good += 1
        found = (Found("goal", "steps/goal/a/b/c", "reached"),) if good == 4 else ()
        return Execution([("good", good)], found)

def mutate(data, max_size, seed):
    dice = Random(seed)
    out = bytearray(data.ljust(4, b"."))
    out[dice.randrange(4)] = dice.choice(b"GOALXYZ")
    return bytes(out)

harness = Harness(Steps(), Said(), FeatureMap(), executions=4000)
harness.fuzz(Engine(7, max_len=64), mutate, lambda a, b, size, seed: a)
"""


def test_features_guide_the_real_engine_and_equal_seeds_give_equal_runs(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    seen = []
    for _ in range(2):
        command = [sys.executable, "-c", textwrap.dedent(RUN)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "found steps/goal/a/b/c b'GOAL" in done.stdout
        assert "stopped 4000 5 executions" in done.stdout
        assert done.stdout.count("fresh 1 ") == 5
        seen.append(done.stdout)
    assert seen[0] == seen[1]
    assert not list(tmp_path.iterdir())


def test_what_is_fresh_is_counted_once_and_what_is_rare_is_known() -> None:
    features = FeatureMap(256, 16)

    def one(probes: list[int], facts: list[str]) -> int:
        features.clear()
        for probe in probes:
            features.counters[probe] = 1
        features.mark([(fact,) for fact in facts])
        return features.fold()

    assert one([1, 2], ["a"]) == 3
    assert features.tally == (3, 3, 0)
    assert one([2, 3], ["a", "a", "b"]) == 2
    assert features.tally == (5, 3, 2)
    assert one([2], ["a"]) == 0
    assert features.tally == (5, 3, 0)
    features.clear()
    assert features.fold() == 0
    assert features.tally == (5, 3, 0)


def test_facts_without_end_take_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.engine.features.MOST_SLOTS", 10)
    features = FeatureMap(256, 16)
    for number in range(95):
        features.clear()
        features.mark([("fact", number)])
        features.fold()
    assert features.situations == 95
    assert len(features._slots) <= 10
    assert features.slot(("fact", 0)) == FeatureMap(256, 16).slot(("fact", 0))
