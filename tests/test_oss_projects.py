"""The project files of OSS-Fuzz and ClusterFuzzLite have the shape that these read."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
LITE = ROOT / ".clusterfuzzlite"
FULL = ROOT / "projects" / "vmfuzz"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("cflite_*.yml"))
MODES = {
    "cflite_pr": ["code-change"],
    "cflite_batch": ["batch"],
    "cflite_cron": ["prune", "coverage"],
    "cflite_build": [],
}
BUILD = "google/clusterfuzzlite/actions/build_fuzzers@v1"
RUN = "google/clusterfuzzlite/actions/run_fuzzers@v1"
INPUTS = {
    BUILD: {"language", "sanitizer", "github-token", "upload-build", "storage-repo"},
    RUN: {"language", "sanitizer", "github-token", "mode", "fuzz-seconds", "storage-repo"},
}


def read(path: Path) -> dict[Any, Any]:
    values = yaml.safe_load(path.read_text())
    assert isinstance(values, dict)
    return values


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_projects() -> None:
    assert read(LITE / "project.yaml")["language"] == "python"
    full = read(FULL / "project.yaml")
    assert full.keys() == {"homepage", "language", "main_repo", "primary_contact", "fuzzing_engines", "sanitizers"}
    assert (full["language"], full["fuzzing_engines"]) == ("python", ["libfuzzer"])
    assert set(full["sanitizers"]) <= {"address", "undefined"}


def test_every_workflow_is_there() -> None:
    assert {path.stem for path in WORKFLOWS} == MODES.keys()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == "read-all"
    # YAML reads the key `on` as a truth value.
    assert workflow[True]
    for job in workflow["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest"
        build, *runs = job["steps"]
        assert build["uses"] == BUILD
        assert [step["uses"] for step in runs] == [RUN] * len(runs)
        assert len({step["with"]["sanitizer"] for step in job["steps"]}) == 1
    for step in steps(workflow):
        given = step["with"]
        assert given.keys() <= INPUTS[step["uses"]]
        assert given["language"] == "python"
        if step["uses"] == RUN:
            assert isinstance(given["fuzz-seconds"], int)
            assert given["github-token"] == "${{ secrets.GITHUB_TOKEN }}"
    assert [step["with"]["mode"] for step in steps(workflow) if step["uses"] == RUN] == MODES[path.stem]


@pytest.mark.parametrize("folder", [LITE, FULL], ids=["lite", "full"])
def test_images(folder: Path) -> None:
    lines = [line for line in (folder / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    assert re.match(r"FROM gcr\.io/oss-fuzz-base/base-builder-python(:v1)?$", lines[0])
    assert "WORKDIR $SRC/vmfuzz" in lines
    assert re.match(r"COPY \S*build\.sh \$SRC/$", lines[-1])


@pytest.mark.parametrize("folder", [LITE, FULL], ids=["lite", "full"])
def test_build_scripts(folder: Path) -> None:
    script = folder / "build.sh"
    assert script.read_text().startswith("#!/bin/bash -eu\n")
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
