"""Fuzz target: any bytes, read and written back."""

import sys

from fuzz.oss import FuzzTarget, run

TARGET = FuzzTarget("roundtrip", machine="q35-modern")

if __name__ == "__main__":
    run(TARGET, sys.argv)
