"""What a design raises is a finding of the design, wherever the loader called it; the machine can be used again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import tiny

from fuzz.own_design import HOOKS
from model import REFERENCE, Design, Machine, load
from model.raised import WrongReturn, hook_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model import Outcome

STREAM = (
    tiny.HEADER
    + tiny.ram({0x8000: tiny.ring(3), 0x9000: tiny.ring(3)})
    + tiny.timer()
    + tiny.blk(command=6, bar=0x200000, desc=0x7000, avail=0x8000, used=0x9000, last_avail=3)
    + tiny.EOF
)


@pytest.fixture(scope="module")
def machine() -> Machine:
    return tiny.machine()


@pytest.fixture(scope="module")
def expected() -> Outcome:
    return load(tiny.machine(), STREAM, REFERENCE())


def design(**hooks: Callable[..., Any]) -> Design:
    """A design with these hooks."""
    made: type[Design] = type("Own", (Design,), {"name": "own", "hears_changes": True, **hooks})
    return made()


def raised(outcome: Outcome) -> list[tuple[str, str]]:
    """Hook and type of each exception."""
    causes = [finding.cause for finding in outcome.findings if finding.cause.oracle == "exception"]
    assert outcome.verdict == "aborted" or not causes
    return [(cause.reader, cause.change) for cause in causes]


@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("hook", HOOKS)
def test_an_exception_is_a_finding_and_the_machine_is_as_new_afterwards(
    hook: str, after: int, machine: Machine, expected: Outcome
) -> None:
    calls = 0

    def wrapper(self: Design, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise ValueError("no\nsuch luck")
        return getattr(Design, hook)(self, *arguments)

    assert raised(load(machine, STREAM, design(**{hook: wrapper}))) == [(hook, "ValueError")] * (calls > after)
    machine.reset()
    assert load(machine, STREAM, REFERENCE()) == expected
    machine.reset()


def endless(self: Design, *arguments: Any) -> Any:
    return endless(self, *arguments)


def stopping(self: Design, *_: Any) -> Any:
    raise StopIteration


def leaving(self: Design, *_: Any) -> Any:
    raise SystemExit(3)


def asserting(self: Design, *_: Any) -> Any:
    assert not self.name


HOOKS_THAT_FAIL = {
    "recursion": ({"ring_check": endless}, [("ring_check", "RecursionError")]),
    "an end of iteration": ({"section_begins": stopping}, [("section_begins", "StopIteration")]),
    "an exit": ({"flat_view": leaving}, [("flat_view", "SystemExit")]),
    "an assertion": ({"ring_cache": asserting}, [("ring_cache", "AssertionError")]),
    "no view": ({"flat_view": lambda *_: None}, [("flat_view", "WrongReturn")]),
    "a space for a view": ({"flat_view": lambda *given: given[2]}, [("flat_view", "WrongReturn")]),
    "a text for a refusal": ({"ring_check": lambda *_: "bad"}, [("ring_check", "WrongReturn")]),
    "nothing for a refusal": ({"ring_check": lambda *_: None}, []),
    "a value where none is wanted": ({"section_ends": lambda *_: 5}, []),
    "a function of the file": ({"load_begins": lambda *_: os.path.join(1)}, [("load_begins", "TypeError")]),  # type: ignore[call-overload]  # noqa: PTH118
}


@pytest.mark.parametrize(("hooks", "found"), HOOKS_THAT_FAIL.values(), ids=HOOKS_THAT_FAIL)
def test_whatever_a_hook_does(
    hooks: dict[str, Callable[..., Any]], found: list[tuple[str, str]], machine: Machine, expected: Outcome
) -> None:
    assert raised(load(machine, STREAM, design(**hooks))) == found
    machine.reset()
    assert load(machine, STREAM, REFERENCE()) == expected
    machine.reset()


def test_who_presses_a_key_is_heard(machine: Machine) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(machine, STREAM, design(load_begins=interrupted))
    machine.reset()


def test_transactions_without_end_are_told(machine: Machine) -> None:
    found = load(machine, STREAM, design(section_begins=lambda _, load: load.memory.begin()))
    assert found.depth_at_end == 4
    assert "own/pairing/loader/transaction-left-open/stream" in {str(finding.cause) for finding in found.findings}
    machine.reset()


def test_an_exception_of_the_house_is_no_finding(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.sections.load_new", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        load(machine, STREAM, REFERENCE())
    machine.reset()


def test_what_it_was_raised_from_counts() -> None:
    def items() -> Iterator[int]:
        yield one.ring_cache(None, None, 0)  # type: ignore[arg-type, func-returns-value, misc]

    one = design(ring_cache=stopping)
    with pytest.raises(RuntimeError) as caught:
        list(items())
    assert hook_of(one, caught.value) == "ring_cache"
    assert hook_of(design(), WrongReturn("flat_view", "a FlatView", None)) == "flat_view"
