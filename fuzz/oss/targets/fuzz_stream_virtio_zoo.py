"""Fuzz target: streams loaded on a machine with every virtio device."""

import sys

from fuzz.oss import FuzzTarget, run

TARGET = FuzzTarget("stream", machine="virtio-zoo")

if __name__ == "__main__":
    run(TARGET, sys.argv)
