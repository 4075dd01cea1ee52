"""Fuzz target: streams loaded on a q35 with intel-iommu."""

import sys

from fuzz.oss import FuzzTarget, run

TARGET = FuzzTarget("stream", machine="q35-intel-iommu")

if __name__ == "__main__":
    run(TARGET, sys.argv)
