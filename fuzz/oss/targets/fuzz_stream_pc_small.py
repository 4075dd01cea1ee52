"""Fuzz target: streams loaded on a small PC (i440FX) with virtio."""

import sys

from fuzz.oss import FuzzTarget, run

TARGET = FuzzTarget("stream", machine="pc-small")

if __name__ == "__main__":
    run(TARGET, sys.argv)
