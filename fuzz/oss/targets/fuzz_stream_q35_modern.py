"""Fuzz target: streams loaded on a q35 with PCI Express ports and virtio behind them."""

import sys

from fuzz.oss import FuzzTarget, run

TARGET = FuzzTarget("stream", machine="q35-modern")

if __name__ == "__main__":
    run(TARGET, sys.argv)
