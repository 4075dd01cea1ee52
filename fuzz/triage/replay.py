"""Which causes still show: each witness runs once, in processes that may die of it.

A witness may be of an input that hangs or eats memory, so nothing of it runs in this process. A child has the memory
and the processor time of a campaign's worker, and its watchdog; the system ends it when that does not help, and
another child goes on with the next witness.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Final

from fuzz.engine.target import RAISED, exception_found
from fuzz.engine.watchdog import Watchdog
from fuzz.triage.run import ANY, Runner, Task, Unusable
from fuzz.work.deaths import ENDS
from fuzz.work.limits import limit, memory_of_this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from multiprocessing.process import BaseProcess

    from fuzz.engine.target import Found
    from fuzz.triage.witness import Witness

    Work = Callable[[Task], tuple[Found, ...]]
    _Pipe = Connection[Any, Any]

BEYOND: Final = 10
"""Seconds of processor time that the watchdog has to end what takes too long, before the system ends the process."""

HANG: Final = "hang"
DEATH: Final = "death"
MEMORY_ORACLE: Final = "memory"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness showed. `ended`: the oracle that its process's end is a case of, "" if it lived on.

    `unusable`: why it could not be run, "" if it could.
    """

    found: tuple[Found, ...] = ()
    ended: str = ""
    unusable: str = ""

    def shows(self, cause: str) -> bool | None:
        """Whether the cause is among it; None where nobody can say."""
        if self.unusable:
            return None
        oracle = cause.split("/")[1]
        if oracle in ENDS:  # where it was then is a matter of the clock: any such end will do
            seen = {self.ended, *(one.cause.split("/")[1] for one in self.found)}
            return oracle in seen or (self.ended == DEATH and oracle == MEMORY_ORACLE)
        if self.ended:
            return None
        return any(one.cause == cause for one in self.found)

    def why_not(self) -> str:
        """Why nobody can say whether a cause shows; "" where somebody can."""
        if self.unusable:
            return self.unusable
        return {"": "", HANG: "not done in the time that it has"}.get(self.ended, "the process died of it")


def tasks(wanted: Iterable[tuple[str, Witness]]) -> list[Task]:
    """A task for each witness: files that hold the same input, for the same machine, are one.

    In an order that leaves machines together.
    """
    grouped: dict[tuple[object, ...], tuple[Witness, list[str]]] = {}
    for cause, one in wanted:
        key = one.target, one.machine, one.loadvm, one.sha256, one.schedule, one.designs, one.own, one.seconds
        grouped.setdefault(key, (one, []))[1].append(cause)
    made = [Task(witness, tuple(causes)) for witness, causes in grouped.values()]
    return sorted(made, key=lambda task: (task.witness.target, task.witness.machine))


def replay(
    asked: Sequence[Task],
    jobs: int,
    said: Callable[[int], None] = lambda _: None,
    work: Work | None = None,
) -> dict[str, Answer]:
    """The answer for each cause. `jobs`: processes at a time, at least 1. `said` is told how many witnesses are done.

    `work` is what a child does with a task (tests give another). KeyboardInterrupt ends the children, too.
    """
    answers: dict[str, Answer] = {}
    children = _Children(work or Runner().run)
    waiting = list(asked)[::-1]
    done = 0
    try:
        while waiting or children.busy:
            while waiting and children.busy < max(1, jobs):
                children.give(waiting.pop())
            for task, answer in children.answers():
                answers |= dict.fromkeys(task.causes, answer)
                done += 1
            said(done)
    finally:
        children.end()
    return answers


class _Children:
    """Processes that work, and those that wait for work. One that dies of a task is not missed."""

    def __init__(self, work: Work) -> None:
        self._context = multiprocessing.get_context("fork")
        self._work = work
        self._working: dict[_Pipe, tuple[BaseProcess, Task]] = {}
        self._idle: list[tuple[_Pipe, BaseProcess]] = []

    @property
    def busy(self) -> int:
        """How many work."""
        return len(self._working)

    def give(self, task: Task) -> None:
        """Let somebody do it."""
        pipe, child = self._idle.pop() if self._idle else self._begin()
        self._working[pipe] = (child, task)
        with suppress(OSError):  # it is dead, which is seen when it is waited for
            pipe.send(task)

    def _begin(self) -> tuple[_Pipe, BaseProcess]:
        ours, theirs = self._context.Pipe()
        child = self._context.Process(target=_serve, args=(theirs, ours, self._work), daemon=True)
        child.start()
        theirs.close()
        return ours, child

    def answers(self) -> Iterator[tuple[Task, Answer]]:
        """What is done; waits a second for something."""
        for pipe in wait(list(self._working), 1.0):
            assert isinstance(pipe, Connection)
            child, task = self._working.pop(pipe)
            try:
                answer: Answer = pipe.recv()
            except (EOFError, OSError):
                child.join()
                pipe.close()
                yield task, Answer(ended=HANG if child.exitcode == -signal.SIGXCPU else DEATH)
            else:
                self._idle.append((pipe, child))
                yield task, answer

    def end(self) -> None:
        """End them all, at once."""
        for pipe, child in (*self._idle, *((pipe, child) for pipe, (child, _) in self._working.items())):
            child.kill()
            child.join()
            pipe.close()


def _serve(pipe: _Pipe, others: _Pipe, work: Work) -> None:
    """What a child does until there is nothing left, or nobody."""
    others.close()
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when it is over
    silence = os.open(os.devnull, os.O_WRONLY)  # a user's own design may print what it likes
    os.dup2(silence, 1)
    sys.stdout = os.fdopen(silence, "w")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    begun = memory_of_this_process()[0]
    while True:
        while not pipe.poll(1.0):
            if os.getppid() != parent:
                return
        try:
            task: Task = pipe.recv()
        except (EOFError, OSError):
            return
        limit(resource.RLIMIT_AS, begun + task.witness.memory)
        limit(resource.RLIMIT_CPU, ceil(time.process_time() + task.witness.seconds) + BEYOND)
        with suppress(OSError):  # nobody is there to hear it
            pipe.send(_watched(task, work))


def _watched(task: Task, work: Work) -> Answer:
    """The answer to a task, under the watchdog of a campaign: what that ends is a finding here as there."""
    watchdog = Watchdog(task.witness.seconds)
    watchdog.start()
    try:
        watchdog.begin()
        return Answer(work(task))
    except Unusable as error:
        return Answer(unusable=str(error))
    except MemoryError:
        return Answer(ended=MEMORY_ORACLE)
    except RAISED as error:  # what leaves a target is a finding, as in a campaign
        return Answer((exception_found(ANY, error),))
    finally:
        watchdog.end()
        watchdog.stop()


def shown(answers: Mapping[str, Answer], cause: str) -> bool | None:
    """Whether a cause shows, by the answers; None without one."""
    return answers[cause].shows(cause) if cause in answers else None
