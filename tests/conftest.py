"""Fixtures for all tests."""

from __future__ import annotations

import os
import shutil

import mutants
import pytest

BINARY = "qemu-system-x86_64"


@pytest.fixture(scope="session")
def real_qemu() -> str:
    """The installed QEMU. Without one the test is skipped, or fails when VMFUZZ_REQUIRE_QEMU=1."""
    found = shutil.which(BINARY)
    if found is None:
        if os.environ.get("VMFUZZ_REQUIRE_QEMU") == "1":
            pytest.fail(f"VMFUZZ_REQUIRE_QEMU=1 and there is no {BINARY}")
        pytest.skip(f"no {BINARY}")
    return found


@pytest.fixture(scope="module")
def seen(request: pytest.FixtureRequest, real_qemu: str) -> dict[str, tuple[mutants.Seen, mutants.Seen]]:
    """What the model and the installed QEMU made of each of the module's `CASES`."""
    return mutants.both(request.module.CASES, real_qemu)
