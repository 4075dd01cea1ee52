"""The fuzz targets: a file each, named `fuzz_*.py`, with its dictionary and options; `triage.toml`, what is known.

No file here may begin with `from __future__`: builds that measure coverage put lines of their own before it.
"""
