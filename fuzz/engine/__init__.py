"""The engine: atheris (libFuzzer) driven as a long-lived worker, with feedback of our own."""

from fuzz.engine.features import PROBES, FeatureMap
from fuzz.engine.harness import Engine, Harness, Report, available, bytes_mutator
from fuzz.engine.target import Execution, Feature, Found, Target, exception_found

__all__ = [
    "PROBES",
    "Engine",
    "Execution",
    "Feature",
    "FeatureMap",
    "Found",
    "Harness",
    "Report",
    "Target",
    "available",
    "bytes_mutator",
    "exception_found",
]
