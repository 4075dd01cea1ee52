"""Fuzz target: programs of memory-API calls."""

import sys

from fuzz.oss import FuzzTarget, run

TARGET = FuzzTarget("memory")

if __name__ == "__main__":
    run(TARGET, sys.argv)
