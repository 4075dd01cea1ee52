"""Continuous fuzzing as OSS-Fuzz and ClusterFuzzLite do it: fuzz targets that end with the first new cause.

    targets/        fuzz_NAME.py, a fuzz target each, with its NAME.dict and NAME.options; triage.toml, the known causes
    definition.py   what a fuzz target is
    entry.py        what runs in it
    raising.py      how a finding ends it, so that its cause is what others tell crashes apart by
    build.py        what a target is built of, and its seed corpus
    bundle.py       what goes into a bundle beside the code
    feedback.py     what becomes of it with another atheris
    dictionary.py   NAME.dict and NAME.options from the format's own constants
    trial/          `vmfuzz oss-fuzz`: the build and the checks, without a cloud

A campaign of ours goes on after findings; here every process ends with one, and a service keeps the corpus, tells
findings apart and sends the mail. So what is known must be set aside in the target itself.
"""

from fuzz.oss.definition import FuzzTarget
from fuzz.oss.entry import run

__all__ = ["FuzzTarget", "run"]
