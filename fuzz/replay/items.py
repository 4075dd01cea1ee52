"""Crashers as pytest collects and runs them: a file for each, in it a test for each design of which it tells.

A crasher that cannot be used is one test that ends with an error, since a file that cannot be collected would keep all
others from running. Where tests run in several processes, new outcomes are written by the one that hears of all.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import pytest

from fuzz.beside import DESCRIPTION
from fuzz.campaign.findings import WITNESS
from fuzz.crashers import Crasher, CrasherError, read_crasher
from fuzz.designs import UsageError, named_designs
from fuzz.replay.accepting import accept
from fuzz.replay.given import JSON, STREAM, Finding, below, finding, is_finding, lost
from fuzz.replay.outcomes import keys, lines, shown
from fuzz.replay.replayer import Replayer
from fuzz.replay.root import misled
from fuzz.replay.still import Asker
from fuzz.work.deaths import ENDS
from model.designs import DESIGNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


T = TypeVar("T")

_OPTION: Final = "--vmfuzz-crashers"

ACCEPTED: Final = "vmfuzz_accepted"
"""The property of a report that says what is to be expected from now on."""


class Crashers:
    """What is done in a run of pytest that was given crashers."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        typed = config.getoption("vmfuzz_crashers") or ()
        start = config.invocation_params.dir
        self.typed = bool(typed)
        self.places = tuple(_place(start, place) for place in typed or config.getini("vmfuzz_crashers"))
        self.accepts = bool(config.getoption("vmfuzz_accept"))
        self.replayer = Replayer()
        self.asker = Asker(self.replayer.own)
        self.wanted: tuple[Path, ...] = ()
        self.said: list[str] = []
        self.failed = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Look at what was given. Raises UsageError."""
        named = self._named()
        if self.typed and misled(self.config, _OPTION, named or []):
            near = [_relative(place, self.config.invocation_params.dir) for place in self.places]
            what = " ".join(f"{_OPTION}={one}" for one in near)
            raise pytest.UsageError(
                f"{_OPTION}: pytest took {near[0]} for tests, and another configuration; type {what}"
            )
        self.wanted = tuple(self._wanted(named))
        for place in self.wanted:
            self._check(place)
        try:
            own = named_designs(self._designs()) if self._designs() else ()
        except UsageError as error:
            raise pytest.UsageError(str(error).replace("--design", "--vmfuzz-design", 1)) from None
        own_by_name = {design.name: design for design in own if design.name not in DESIGNS}
        self.replayer = Replayer(own_by_name, "--vmfuzz-design")
        self.asker = Asker(own_by_name)

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """A stream, or the JSON of a stream that is lost, in one of the places."""
        if file_path.suffix not in {STREAM, JSON} or not any(_within(file_path, place) for place in self.places):
            return None
        path = lost(file_path) if file_path.suffix == JSON else file_path
        return self._file(parent, path) if path is not None else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Add what was asked for and lies where pytest did not look, before others choose among the tests.

        The places are not made arguments of pytest: of arguments that lie in one another some versions lose tests.
        """
        known = {item.path for item in items if isinstance(item, Held)}
        for place in self.wanted:
            for path in _streams(place):
                inside = (one for one in (path, *path.parents) if place in one.parents)
                if path in known or any(map(self._ignored, inside)):
                    continue
                known.add(path)
                items += session.genitems(self._file(session, path))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write what is accepted, at once: whatever ends the run later, that is done."""
        if report.when != "call" or hasattr(self.config, "workerinput"):
            return
        for name, value in report.user_properties:
            if name == ACCEPTED and isinstance(value, dict):
                self._write(report.nodeid, value)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """What could not be written is no success."""
        if self.failed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """What was accepted."""
        if self.said:
            terminalreporter.ensure_newline()
            terminalreporter.section("outcomes of crashers")
            for line in self.said:
                terminalreporter.write_line(line)

    def _named(self) -> list[Path] | None:
        """The files and folders that were typed; None: none were."""
        source = getattr(self.config, "args_source", None)
        if source is not None and source != type(self.config).ArgsSource.ARGS:
            return None
        return [_absolute(self.config.invocation_params.dir, word.partition("::")[0]) for word in self.config.args]

    def _wanted(self, named: list[Path] | None) -> Iterator[Path]:
        """The places that are collected though no argument leads there.

        Those of a configuration stand for themselves where pytest is started at the root and no tests are named, as
        `testpaths` do. Those of the option are always meant, unless a part of them is named.
        """
        if not self.typed and (named is not None or self.config.invocation_params.dir != self.config.rootpath):
            return
        for place in self.places:
            if not any(argument != place and _within(argument, place) for argument in named or ()):
                yield place

    def _file(self, parent: pytest.Collector, path: Path) -> pytest.Collector:
        root = self.config.rootpath
        # Of files outside of its root pytest says too little to find them again.
        named: dict[str, Any] = {} if _within(path, root) else {"nodeid": Path(os.path.relpath(path, root)).as_posix()}
        file: pytest.Collector = CrasherFile.from_parent(parent, path=path, crashers=self, **named)
        return file

    def _ignored(self, path: Path) -> bool:
        return bool(self.config.hook.pytest_ignore_collect(collection_path=path, config=self.config))

    def _check(self, place: Path) -> None:
        name = _relative(place, self.config.invocation_params.dir)
        try:
            if not place.exists():
                raise pytest.UsageError(f"{self._option}: {name}: no such folder")
            if place.is_dir() and next(below(place), None) is None:
                raise pytest.UsageError(f"{self._option}: {name}: no crashers (ID{STREAM} beside ID{JSON}) in it")
        except OSError as error:
            raise pytest.UsageError(f"{self._option}: {error.filename}: {error.strerror}") from None

    @property
    def _option(self) -> str:
        return _OPTION if self.typed else "vmfuzz_crashers"

    def _designs(self) -> tuple[str, ...]:
        """The designs named: on the command line as typed, in a configuration as seen from it."""
        typed = self.config.getoption("vmfuzz_design")
        if typed:
            return tuple(typed)
        base = self.config.inipath.parent if self.config.inipath is not None else self.config.invocation_params.dir
        return tuple(_seen(base, text) for text in self.config.getini("vmfuzz_designs"))

    def _write(self, nodeid: str, news: dict[str, Any]) -> None:
        try:
            accept(Path(news["file"]), {news["design"]: news["outcome"]})
        except CrasherError as error:
            self.failed = True
            self.said.append(str(error))
            return
        self.said.append(f"accepted: {nodeid}: {', '.join(map(shown, news['outcome']))}")


class CrasherFile(pytest.File):
    """The stream of a crasher, or the witness of a finding."""

    def __init__(self, *, crashers: Crashers, **rest: Any) -> None:
        super().__init__(**rest)
        self.crashers = crashers

    def collect(self) -> Iterable[pytest.Item]:
        """A test for each design."""
        try:
            if is_finding(self.path):
                if self.path.name != DESCRIPTION:
                    yield HeldFinding.from_parent(self, name="shows", finding=finding(self.path.parent))
                return
            crasher = read_crasher(self.path)
            if not crasher.expect:
                path = _relative(self.path, self.config.invocation_params.dir)
                why = f"nothing is expected of it; vmfuzz replay --accept --design NAME {path} writes what comes out"
                yield Unusable.from_parent(self, name="unusable", why=f"crasher {self.path}: {why}")
        except (CrasherError, OSError) as error:
            yield Unusable.from_parent(self, name="unusable", why=str(error))
            return
        for design in crasher.expect:
            yield HeldCrasher.from_parent(self, name=shown(design), crasher=crasher, design=design)


class Held(pytest.Item):
    """Something that is held to what is expected of it."""

    parent: CrasherFile

    @property
    def crashers(self) -> Crashers:
        """The run that it is part of."""
        return self.parent.crashers

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Where it is, and how it is called above what is told of it."""
        return self.path, None, f"{self.path.stem} under {self.name}"

    def fail(self, why: str) -> NoReturn:
        """It ends here, without a traceback: none of the lines of ours would say anything."""
        here = f"{self.config.invocation_params.dir}{os.sep}"
        pytest.fail(why.replace(here, ""), pytrace=False)

    def tried(self, do: Callable[[], T]) -> T:
        """What comes of something that a crasher or a finding may be unfit for, which is told in a line."""
        try:
            return do()
        except CrasherError as error:
            why = str(error)
        return self.fail(why)


class Unusable(Held):
    """A crasher that cannot be used: why, in one line."""

    def __init__(self, *, why: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.why = why

    def setup(self) -> None:
        """An error, not a failure: nothing was looked at."""
        self.fail(self.why)

    def runtest(self) -> None:
        """Never come to."""


class HeldCrasher(Held):
    """A crasher under one design."""

    def __init__(self, *, crasher: Crasher, design: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.crasher = crasher
        self.design = design

    def setup(self) -> None:
        """What cannot be loaded is an error, no failure."""
        self.tried(lambda: self.crashers.replayer.ready(self.crasher, self.design))

    def runtest(self) -> None:
        """It comes out as expected, or this is expected from now on."""
        row = self.crashers.replayer.row(self.crasher, self.design)
        if row.as_expected:
            return
        if self.crashers.accepts and row.is_news:
            news = {"file": str(self.crasher.path), "design": self.design, "outcome": row.news}
            self.user_properties.append((ACCEPTED, news))
            return
        head = row.trouble or f"{', '.join(map(shown, keys(row.differences)))}: not as expected"
        self.fail("\n".join((head, *lines(row.differences), f"  {row.command}")))


class HeldFinding(Held):
    """A finding of a campaign, whose cause is to show."""

    def __init__(self, *, finding: Finding, **rest: Any) -> None:
        super().__init__(**rest)
        self.finding = finding

    def runtest(self) -> None:
        """It shows. What a process may end of is left to processes that may."""
        if self.finding.record.cause.split("/")[1] in ENDS:
            pytest.skip(f"this process might end of it: vmfuzz replay {self.finding.place} runs it in another")
        still = self.tried(lambda: self.crashers.asker.still(self.finding))
        if not still.shows:
            told = (f"{shown(self.finding.record.cause)} is gone", *(f"  shows {one}" for one in still.causes))
            self.fail("\n".join((*told, f"  {still.command}")))


def _absolute(start: Path, place: str | os.PathLike[str]) -> Path:
    """As pytest makes paths absolute: no link is followed."""
    return Path(os.path.abspath(start / place))  # noqa: PTH100 - resolve() would


def _place(start: Path, typed: str | os.PathLike[str]) -> Path:
    """A folder, or the one crasher that is meant by the JSON of its stream."""
    place = _absolute(start, typed)
    stream = place.with_suffix(STREAM) if place.suffix == JSON else place
    return stream if stream.exists() else place


def _streams(place: Path) -> Iterator[Path]:
    """The files to collect in a place, or below it."""
    if not place.is_dir():
        yield place
        return
    for one in below(place):
        yield one.place / WITNESS if isinstance(one, Finding) else one


def _within(path: Path, place: Path) -> bool:
    return path == place or place in path.parents


def _relative(path: Path, start: Path) -> str:
    """As somebody would type it there."""
    near = os.path.relpath(path, start)
    return near if not near.startswith(os.path.join("..", "..")) else str(path)  # noqa: PTH118


def _seen(base: Path, text: str) -> str:
    """FILE:CLASS of a configuration, wherever pytest is started."""
    file, colon, name = text.rpartition(":")
    return f"{base / file}:{name}" if colon else text
