"""Fixtures for all tests."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import mutants
import pytest
import wrapped_qemu
from hypothesis import settings
from seeded_search import PROPERTY
from tiny_machine import write_machine

from fuzz.confirm.hold import Against
from model import REFERENCE

if TYPE_CHECKING:
    from pathlib import Path

BINARY = "qemu-system-x86_64"

LONGEST = (
    "test_quality_virtio.py", "test_quality_devices.py", "test_quality_memory.py",
    "test_wrapped.py", "test_confirm_hold.py", "test_vmformat_laws.py", "test_capture_machine.py", "test_fuzz_run.py",
    "test_model_virtio.py", "test_capture_kinds.py", "test_agreement.py", "test_quality_campaigns.py",
    "test_fuzz_show.py", "test_wheel.py",
)  # fmt: skip
"""Files that take longest, in this order: they begin first, so that no processor waits for one of them in the end."""

# The same examples at every run, however slow the machine is. RANDOM_EXAMPLES=1 looks for new ones.
settings.register_profile("vmfuzz", derandomize=os.environ.get("RANDOM_EXAMPLES") != "1", deadline=None)
settings.load_profile("vmfuzz")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the rest stays as it is."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What searches for seeded bugs took, a line each, whether they passed or not."""
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, ())]
    lines = [str(value) for report in reports for name, value in report.user_properties if name == PROPERTY]
    if lines:
        terminalreporter.section("searches for seeded bugs")
        for line in sorted(lines):
            terminalreporter.line(line)


@pytest.fixture
def machine(tmp_path: Path) -> str:
    """The tiny machine with a seed, as it is typed."""
    return write_machine(tmp_path)


@pytest.fixture(scope="session")
def real_qemu() -> str:
    """The installed QEMU. Without one the test is skipped, or fails when VMFUZZ_REQUIRE_QEMU=1."""
    found = shutil.which(BINARY)
    if found is None:
        if os.environ.get("VMFUZZ_REQUIRE_QEMU") == "1":
            pytest.fail(f"VMFUZZ_REQUIRE_QEMU=1 and there is no {BINARY}")
        pytest.skip(f"no {BINARY}")
    return found


@pytest.fixture(scope="session")
def wrapped(real_qemu: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed QEMU with its main loop in one transaction. Skipped where it cannot be wrapped, or without cc."""
    try:
        return wrapped_qemu.build(tmp_path_factory.mktemp("wrapped"), real_qemu)
    except wrapped_qemu.CannotWrap as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def held(request: pytest.FixtureRequest, real_qemu: str) -> dict[str, tuple[str, ...]]:
    """A line for each disagreement of the model with the installed QEMU in each of the module's `CASES`."""
    return mutants.hold_all(request.module.CASES, Against(REFERENCE, binary=real_qemu, timeout=20.0))
