"""Files that a thread brings onto the disk are where they should be at once, and are settled in the end."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.atomic import write_atomic
from fuzz.campaign.shelf import Shelf, name_of
from fuzz.settling import Settling

if TYPE_CHECKING:
    import pytest


def test_files_are_whole_at_once_and_settled_with_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    settling = Settling()
    files = [tmp_path / str(number) for number in range(5)]
    for file in files:
        write_atomic(file, file.name.encode(), settling)
        assert file.read_bytes() == file.name.encode()
    assert settling.wait(30)
    assert sorted({*synced}) == sorted(map(str, (*files, tmp_path)))
    assert synced.count(str(tmp_path)) <= len(files)
    assert synced.index(str(tmp_path)) > 0
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
    (tmp_path / name_of(b"one")).unlink()
    assert shelf.keep(b"two")
    settling.add(tmp_path / "taken away")
    assert shelf.settle(30) == []


def test_what_was_kept_is_there_when_the_process_is_killed_at_once(tmp_path: Path) -> None:
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
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == expected
