"""Fuzz target: streams loaded on a q35 with AHCI disks."""

import sys

from fuzz.oss import FuzzTarget, run

TARGET = FuzzTarget("stream", machine="q35-sata")

if __name__ == "__main__":
    run(TARGET, sys.argv)
