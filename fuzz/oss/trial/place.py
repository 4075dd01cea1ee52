"""The folder of a trial. Nothing is written anywhere else.

src/vmfuzz/     the sources, as the image has them ($SRC)
out/            what is built ($OUT); built as `build/` and moved, so that a path written into it shows
work/           what only the build needs ($WORK)
bin/            the commands that the image has and this computer may not
venv/           Python with PyInstaller; stays from trial to trial
runs/TARGET/    corpora and what runs leave behind
logs/           what build and runs said
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BUILD_SCRIPT: Final = ".clusterfuzzlite/build.sh"
_SOURCES: Final = ("vmformat", "model", "fuzz", "corpus", ".clusterfuzzlite", "pyproject.toml", "README.md", "LICENSE")
_MARK: Final = ".vmfuzz-trial"
_TARGETS: Final = "fuzz/oss/targets"


class TrialError(Exception):
    """A trial that cannot be made, in one line that says what is missing."""


def checkout() -> Path:
    """The sources that this program runs from. Raises TrialError when it was installed without them."""
    folder = Path(__file__).resolve().parents[3]
    if not (folder / BUILD_SCRIPT).is_file():
        msg = (
            f"{folder / BUILD_SCRIPT}: no such file; a trial needs a checkout of the sources, not an installed package"
        )
        raise TrialError(msg)
    return folder


@dataclass(frozen=True, slots=True)
class Place:
    """The folder and the places in it."""

    path: Path

    @property
    def sources(self) -> Path:
        """What build.sh calls $SRC."""
        return self.path / "src"

    @property
    def built(self) -> Path:
        """Where targets are looked for and run."""
        return self.path / "out"

    @property
    def building(self) -> Path:
        """What build.sh calls $OUT."""
        return self.path / "build"

    @property
    def work(self) -> Path:
        """What build.sh calls $WORK."""
        return self.path / "work"

    @property
    def commands(self) -> Path:
        """Goes first on the build's PATH."""
        return self.path / "bin"

    @property
    def environment(self) -> Path:
        """A Python of its own."""
        return self.path / "venv"

    def run(self, target: str) -> Path:
        """What the checks of one target write into."""
        return self.path / "runs" / target

    def log(self, name: str) -> Path:
        """A file for what a program says."""
        return self.path / "logs" / f"{name}.txt"

    def prepare(self, source: Path, targets: Sequence[str]) -> None:
        """Make it anew, with the sources of these targets only; `venv` stays. Raises TrialError.

        A folder that holds something else is left alone.
        """
        try:
            if self.path.exists() and not self.path.is_dir():
                raise TrialError(f"--out {self.path}: is a file, not a folder")
            if self.path.is_dir() and any(self.path.iterdir()) and not (self.path / _MARK).exists():
                raise TrialError(f"--out {self.path}: not empty and not a trial's; give another folder")
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / _MARK).touch()
            for name in ("src", "out", "build", "work", "bin", "runs", "logs"):
                shutil.rmtree(self.path / name, ignore_errors=True)
            for folder in (self.sources, self.building, self.work, self.commands, self.path / "logs"):
                folder.mkdir(parents=True)
            self._copy(source, targets)
        except OSError as error:
            raise TrialError(f"--out {self.path}: {error.strerror or error}") from None

    def _copy(self, source: Path, targets: Sequence[str]) -> None:
        copy = self.sources / "vmfuzz"
        copy.mkdir()
        for name in _SOURCES:
            if (source / name).is_dir():
                shutil.copytree(source / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source / name, copy / name)
        for script in (copy / _TARGETS).glob("fuzz_*.py"):
            if script.stem not in targets:
                script.unlink()
