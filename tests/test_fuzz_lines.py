"""Files of JSON lines: what was added is there again, a torn end is cut off, and one process at a time adds."""

from __future__ import annotations

import os
import resource
import signal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.lines import BusyError, Lines, to_line

if TYPE_CHECKING:
    from pathlib import Path

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def held(path: Path) -> list[Any]:
    found: list[Any] = []
    Lines(path, found.append).close()
    return found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for a file, one for all examples."""
    return tmp_path_factory.mktemp("lines") / "file"


@given(rows=st.lists(VALUES, max_size=5), cut=st.integers(0, 400))
def test_what_is_left_of_a_file_that_was_cut_off_are_its_whole_lines(file: Path, rows: list[Any], cut: int) -> None:
    path = file
    path.unlink(missing_ok=True)
    lines = Lines(path, [].append)
    for row in rows:
        lines.add(row)
    lines.close()
    assert held(path) == rows
    data = path.read_bytes()
    assert data == b"".join(map(to_line, rows))
    path.write_bytes(data[:cut])
    whole = data[:cut].count(b"\n")
    assert held(path) == rows[:whole]
    again = Lines(path, [].append)
    again.add({"behind": "it"})
    again.close()
    assert held(path) == [*rows[:whole], {"behind": "it"}]


def test_a_line_is_one_line_whatever_is_in_it() -> None:
    line = to_line({"text": "a\nb\r\x0b\x85\u2028", "number": 1})
    assert line.splitlines() == [line[:-1]]
    assert b" " not in line


def test_what_says_nothing_to_its_reader_is_passed_over_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    rows = b'{"n":1}\n{"m":2}\n[3]\n\xff\xfe\n4\n{"n":"x"}\n{"n":{}}\n{"n":5}\n'
    path.write_bytes(rows)
    found = []

    def take(values: Any) -> None:
        found.append(int(values["n"].real if values["n"] == {} else values["n"]))

    lines = Lines(path, take)
    lines.add({"n": 6})
    lines.close()
    assert found == [1, 5]
    assert path.read_bytes() == rows + b'{"n":6}\n'


def test_an_error_that_is_none_of_the_line_ends_it_and_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"1\n")

    def take(_: Any) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        Lines(path, take)
    assert held(path) == [1]


def test_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "file"
    first = Lines(path, [].append)
    path.write_bytes(b'{"whole":1}\n{"torn')
    with pytest.raises(BusyError):
        Lines(path, [].append)
    assert path.read_bytes().endswith(b"torn")  # what another one is writing is not mended
    first.close()
    assert held(path) == [{"whole": 1}]


def test_where_there_is_no_room_it_says_so_and_what_is_torn_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "file"
    pid = os.fork()
    if pid == 0:  # in a process of its own, which may write 40 bytes
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))
        code = 1
        lines = Lines(path, [].append)
        lines.add({"n": 1})
        try:
            lines.add("x" * 100)
        except OSError:
            code = 0
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(path.read_bytes()) == 40
    assert held(path) == [{"n": 1}]
    assert path.read_bytes() == b'{"n":1}\n'


def test_what_is_settled_was_brought_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, brought = Lines(tmp_path / "file", [].append), []
    monkeypatch.setattr(os, "fsync", lambda handle: brought.append(os.fstat(handle).st_size))
    lines.add(1)
    assert brought == []
    lines.add(2, settled=True)
    assert brought == [4]
    lines.close()
