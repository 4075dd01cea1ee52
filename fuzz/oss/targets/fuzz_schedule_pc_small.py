"""Fuzz target: streams loaded while others run, on a small PC."""

import sys

from fuzz.oss import FuzzTarget, run

TARGET = FuzzTarget("stream", machine="pc-small", schedules=True)

if __name__ == "__main__":
    run(TARGET, sys.argv)
