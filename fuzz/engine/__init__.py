"""The engine: atheris (libFuzzer) driven as a long-lived worker, with feedback of our own."""

from fuzz.engine.features import PROBES, FeatureMap
from fuzz.engine.harness import Engine, Harness, Report, available, bytes_mutator
from fuzz.engine.target import RAISED, Execution, Feature, Found, Target, exception_found
from fuzz.engine.watchdog import OutOfTime, Watchdog

__all__ = [
    "PROBES",
    "RAISED",
    "Engine",
    "Execution",
    "Feature",
    "FeatureMap",
    "Found",
    "Harness",
    "OutOfTime",
    "Report",
    "Target",
    "Watchdog",
    "available",
    "bytes_mutator",
    "exception_found",
]
