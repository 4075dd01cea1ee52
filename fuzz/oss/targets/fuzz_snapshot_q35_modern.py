"""Fuzz target: snapshots loaded on a q35, and what becomes of the process."""

import sys

from fuzz.oss import FuzzTarget, run

TARGET = FuzzTarget("stream", machine="q35-modern", loadvm=True)

if __name__ == "__main__":
    run(TARGET, sys.argv)
