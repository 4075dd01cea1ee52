"""The build: build.sh, as it is, with the commands that it finds in the image.

The image has a Python with PyInstaller, and `compile_python_fuzzer`. With a bundle they are made here: a Python
environment in the trial's folder, with the versions that the image has, and a command that does what the image's does.
Without one, the Python that runs this is taken for all of it, which needs no network and no minutes.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.oss.trial.place import BUILD_SCRIPT, TrialError
from fuzz.oss.trial.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fuzz.oss.trial.place import Place

PINNED: Final = ("pyinstaller==6.10.0", "setuptools==72.1.0")
"""What OSS-Fuzz's image for Python has (infra/base-images/base-builder/install_python.sh)."""
SANITIZER: Final = "asan_with_fuzzer.so"
"""What atheris brings along, and the image puts beside the targets as `sanitizer_with_fuzzer.so`."""
_TAIL: Final = 3
"""Lines of a log that are told when something went wrong."""
_HERE: Final = Path(__file__).resolve().parent


def build(place: Place, *, bundle: bool, tell: Callable[[str, float], None]) -> str:
    """Run build.sh; returns "" or, in a line, why it failed. Raises TrialError where there is nothing to build with."""
    python = _environment(place, tell) if bundle else Path(sys.executable)
    _commands(place, python, bundle=bundle)
    variables = {
        **os.environ,
        "SRC": str(place.sources.resolve()),
        "OUT": str(place.building.resolve()),
        "WORK": str(place.work.resolve()),
        "SANITIZER": "address",
        "FUZZING_ENGINE": "libfuzzer",
        "FUZZING_LANGUAGE": "python",
        "ARCHITECTURE": "x86_64",
        "PATH": os.pathsep.join((str(place.commands.resolve()), str(python.parent), os.environ.get("PATH", ""))),
    }
    variables.pop("PYTHONPATH", None)
    _sanitizer(place, python, variables, tell)
    script = place.sources.resolve() / "vmfuzz" / BUILD_SCRIPT
    log = place.log("build")
    try:
        ended = run(["bash", "-eux", str(script)], log, place.sources, variables, lambda now: tell("build.sh", now))
    except OSError as error:
        raise TrialError(f"bash: {error.strerror or error}") from None
    if ended.status != 0:
        return f"build.sh ended with status {ended.status}: {_last(ended.said)}; see {log}"
    place.building.rename(place.built)
    return ""


def _environment(place: Place, tell: Callable[[str, float], None]) -> Path:
    """A Python with PyInstaller, made if it is not there. Raises TrialError."""
    python = place.environment.resolve() / "bin" / "python3"
    if not (python.parent / "pyinstaller").exists():
        shutil.rmtree(place.environment, ignore_errors=True)
        for name, command in (
            ("venv", [sys.executable, "-m", "venv", str(place.environment.resolve())]),
            ("pyinstaller", [str(python), "-m", "pip", "install", "--disable-pip-version-check", *PINNED]),
        ):
            log = place.log(name)
            ended = run(command, log, place.path, os.environ, lambda now, name=name: tell(name, now))  # type: ignore[misc]
            if ended.status != 0:
                shutil.rmtree(place.environment, ignore_errors=True)
                raise TrialError(f"{name} cannot be installed: {_last(ended.said)}; see {log}, or give --no-bundle")
    return python


def _commands(place: Place, python: Path, *, bundle: bool) -> None:
    """What goes on the PATH."""
    name = "compile_python_fuzzer" if bundle else "compile_without_bundle"
    compile_ = place.commands / "compile_python_fuzzer"
    shutil.copy(_HERE / name, compile_)
    scripts = {} if bundle else {"python3": f'#!/bin/sh\nexec "{python}" "$@"\n', "pip3": "#!/bin/sh\nexit 0\n"}
    for script, text in scripts.items():
        (place.commands / script).write_text(text)
        (place.commands / script).chmod(0o755)
    compile_.chmod(0o755)


def _sanitizer(place: Place, python: Path, variables: Mapping[str, str], tell: Callable[[str, float], None]) -> None:
    """Put the sanitizer where the image puts it, so that a target that would load it does so here, too."""
    ask = [str(python), "-c", "import atheris; print(atheris.path())"]
    ended = run(ask, place.log("atheris"), place.path, variables, lambda now: tell("atheris", now))
    library = Path(ended.said.strip().splitlines()[-1] if ended.said.strip() else "") / SANITIZER
    if ended.status == 0 and library.is_file():
        shutil.copy(library, place.building / "sanitizer_with_fuzzer.so")


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " | ".join(lines[-_TAIL:]) or "it said nothing"
