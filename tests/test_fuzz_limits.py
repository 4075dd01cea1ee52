"""What the system lets a process have: memory that is kept for the next block of its size."""

from __future__ import annotations

import platform
import subprocess
import sys
import textwrap

import pytest

COPIES = """
import resource, sys
from fuzz.work.limits import keep_memory
if sys.argv[1] == "kept":
    keep_memory()
data = bytes(1 << 21)
def work():
    one = data[1:]
    other = one[1:]
    return len(other)
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the GNU C library only")
def test_what_is_freed_is_not_asked_of_the_system_again() -> None:
    def faults(how: str) -> int:
        command = [sys.executable, "-c", textwrap.dedent(COPIES), how]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert faults("kept") < faults("by default") / 20
