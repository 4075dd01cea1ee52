"""The wheel, in an empty environment, works in any folder and finds the shipped machines and seeds by name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing but the wheel and what it needs; the folder to work in lies beside it."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(
        sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, ROOT, cwd=folder
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("vmfuzz-*.whl")
    venv.create(folder / "env")
    pip = [sys.executable, "-m", "pip", "--python", folder / "env" / "bin" / "python"]
    install = [*pip, "install", "-q", "--disable-pip-version-check", "--no-compile"]  # what is used compiles itself
    done = run(*install, "-r", ROOT / "requirements-run.lock", cwd=folder)
    if done.returncode and "No matching distribution" not in done.stderr and "Connection" in done.stderr:
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr
    done = run(*install, "--no-deps", wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_commands_work_in_any_folder(installed: Path) -> None:
    vmfuzz = installed / "env" / "bin" / "vmfuzz"
    elsewhere = installed / "elsewhere"
    elsewhere.mkdir()
    version = run(vmfuzz, "--version", cwd=elsewhere)
    assert version.stdout.startswith("vmfuzz ")
    loaded = run(vmfuzz, "load", "pc-small/after", "--design", "wrap-main", cwd=elsewhere)
    assert loaded.returncode in {0, 1}, loaded.stderr
    assert "accepted" in loaded.stdout
    shown = run(vmfuzz, "show", "q35-modern/before", cwd=elsewhere)
    assert shown.returncode == 0, shown.stderr
    assert "virtio-blk" in shown.stdout


def test_unknown_names_are_one_line_and_status_2(installed: Path) -> None:
    vmfuzz = installed / "env" / "bin" / "vmfuzz"
    for command in (
        ("load", "nothing/after"),
        ("load", "pc-small/after", "--machine", "nothing"),
        ("load", "pc-small/after", "--design", "nothing"),
        ("show", "nothing"),
    ):
        done = run(vmfuzz, *command, cwd=installed)
        assert done.returncode == 2, command
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert "nothing" in done.stderr


def test_pytest_finds_the_plugin(installed: Path) -> None:
    """Beside a pytest that is there anyway, in a folder with two crashers and no test of its own."""
    (packages,) = (installed / "env" / "lib").glob("python*/site-packages")
    for name in ("pytest", "pluggy", "iniconfig", "packaging"):
        one = distribution(name)
        for top in {file.parts[0] for file in one.files or () if file.parts[0] not in {"..", "__pycache__"}}:
            (packages / top).symlink_to(Path(str(one.locate_file(top))))
    folder = installed / "beside"
    (folder / "crashers").mkdir(parents=True)
    for name in ("v1-eof-without-full-section", "wrap-main-breaks-device"):
        for suffix in (".vmstate", ".json"):
            shutil.copy(packages / "fuzz" / "corpus" / "crashers" / f"{name}{suffix}", folder / "crashers")
    python = installed / "env" / "bin" / "python"
    done = run(python, "-m", "pytest", "--vmfuzz-crashers", "crashers", "-q", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "44 passed" in done.stdout
    listed = run(python, "-c", "import importlib.metadata as m; print(*m.entry_points(group='pytest11'))", cwd=folder)
    assert "value='fuzz.pytest_plugin'" in listed.stdout
