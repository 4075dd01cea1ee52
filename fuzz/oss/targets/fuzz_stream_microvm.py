"""Fuzz target: streams loaded on a microvm: virtio-mmio, no PCI."""

import sys

from fuzz.oss import FuzzTarget, run

TARGET = FuzzTarget("stream", machine="microvm-virtio")

if __name__ == "__main__":
    run(TARGET, sys.argv)
