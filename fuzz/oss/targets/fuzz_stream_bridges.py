"""Fuzz target: streams loaded on a machine full of bridges."""

import sys

from fuzz.oss import FuzzTarget, run

TARGET = FuzzTarget("stream", machine="bridges")

if __name__ == "__main__":
    run(TARGET, sys.argv)
