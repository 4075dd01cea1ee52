"""Fuzz target: streams loaded on a PC full of old devices."""

import sys

from fuzz.oss import FuzzTarget, run

TARGET = FuzzTarget("stream", machine="pc-attic")

if __name__ == "__main__":
    run(TARGET, sys.argv)
