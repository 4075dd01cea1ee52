"""Files that a thread brings onto the disk: whole at once, at their places once they are there, found after a kill."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.atomic import write_atomic
from fuzz.campaign.shelf import Shelf, name_of, repair
from fuzz.settling import Settling

if TYPE_CHECKING:
    import pytest


def test_files_are_settled_before_they_are_where_they_belong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        place = Path(f"/proc/self/fd/{handle}").readlink()
        assert place == tmp_path or place.name.startswith("."), "renamed before it was on the disk"
        synced.append(place.name.split(".")[1] if place != tmp_path else "")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    settling = Settling()
    files = [tmp_path / str(number) for number in range(5)]
    for file in files:
        write_atomic(file, file.name.encode(), settling)
    assert settling.wait(30)
    assert [file.read_bytes() for file in files] == [file.name.encode() for file in files]
    assert sorted(path.name for path in tmp_path.iterdir()) == [file.name for file in files]
    assert [name for name in synced if name] == [file.name for file in files]
    assert 1 <= synced.count("") <= len(files)
    assert settling.trouble() == []


def test_what_the_disk_says_is_told_once_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    settling = Settling()
    shelf = Shelf(tmp_path, settling)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        assert shelf.keep(b"one")
        assert {error.errno for error in shelf.settle(30)} == {errno.EIO}
    assert shelf.settle(0) == []
    assert not (tmp_path / name_of(b"one")).exists()
    assert shelf.keep(b"two")
    settling.add(tmp_path / "taken away", tmp_path / "somewhere")
    assert shelf.settle(30) == []
    assert repair(tmp_path) == []
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"one", b"two"]


def test_what_was_kept_is_found_when_the_process_is_killed_at_once(tmp_path: Path) -> None:
    code = """
        import os, signal, sys
        from pathlib import Path
        from fuzz.campaign.shelf import Shelf
        from fuzz.settling import Settling
        shelf = Shelf(Path(sys.argv[1]), Settling())
        for number in range(20):
            shelf.keep(bytes([number]) * 5000)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], check=False)
    expected = [bytes([number]) * 5000 for number in range(20)]
    (tmp_path / f".{name_of(b'torn')}.abcdefgh").write_bytes(b"tor")
    assert repair(tmp_path) == []
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == expected
