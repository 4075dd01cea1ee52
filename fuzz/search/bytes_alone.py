"""atheris on bytes alone: libFuzzer's own mutations, its corpus and its schedule; nothing of ours makes an input.

What it is given: the seeds as its corpus, a dictionary, `-len_control=0` (inputs of full length from the start, which
libFuzzer recommends where seeds are good), the length that our own mutants have at most. The feedback is one of
`FEEDBACK`; docs/search.md says which is held against us, and why.

    python -m fuzz.search.bytes_alone SEARCH SCRATCH FEEDBACK     writes SCRATCH/attempt.json
"""

from __future__ import annotations

import base64
import json
import os
import resource
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fuzz.engine import PROBES, FeatureMap
from fuzz.engine.collector import leave_alone
from fuzz.engine.counters import stabilise
from fuzz.engine.harness import NEVER
from fuzz.engine.lights import ProbeLights
from fuzz.engine.probes import install
from fuzz.oss.feedback import byte_code
from fuzz.search.asked import DIED, MEMORY, Attempt, Search
from fuzz.search.engine import run_module
from fuzz.search.hunt import Ended, Hunt
from fuzz.work.limits import limit, memory_of_this_process
from fuzz.work.worker import INSTRUMENTED, WITHOUT

if TYPE_CHECKING:
    from fuzz.engine import Target

FEEDBACK: Final = {
    "atheris": "probes",
    "atheris-facts": "facts",
    "atheris-byte-code": "byte-code",
}
"""By name of the way: our probes; these and the situations that our own worker looks at; atheris's instrumentation with
`-use_value_profile=1`."""

ATTEMPT: Final = "attempt.json"


def search(asked: Search, scratch: Path) -> Attempt:
    """Run it in a process of its own: libFuzzer does not give one back."""
    status = run_module("fuzz.search.bytes_alone", [asked.to_json(), str(scratch), FEEDBACK[asked.way]], scratch)
    try:
        values = json.loads((scratch / ATTEMPT).read_text())
    except OSError:
        return Attempt(DIED, 0, 0.0, why=f"the engine ended with status {status}")
    values["witness"] = base64.b64decode(values["witness"])
    return Attempt(**values)


def arguments(asked: Search, scratch: Path, longest: int, feedback: str) -> list[str]:
    """libFuzzer's command line."""
    return [
        "bytes_alone",
        f"-seed={asked.seed * 0x9E3779B1 & 0xFFFFFFFF or 1}",
        f"-max_len={longest}",
        "-len_control=0",
        f"-dict={scratch / 'dictionary'}",
        f"-use_value_profile={int(feedback == 'byte-code')}",
        "-reload=0",
        "-timeout=0",
        "-rss_limit_mb=0",
        f"-report_slow_units={NEVER}",
        *(f"-handle_{name}=0" for name in ("segv", "bus", "abrt", "ill", "fpe", "xfsz")),
        "-verbosity=0",
        str(scratch / "corpus"),
    ]


def main(argv: list[str]) -> None:
    """Run the engine. Does not return."""
    asked, scratch, feedback = Search.from_json(argv[1]), Path(argv[2]), argv[3]
    features = FeatureMap()
    instrumented: AbstractContextManager[Any] = nullcontext()
    if feedback == "byte-code":
        features.registered = True
        instrumented = byte_code(INSTRUMENTED)
    else:
        install(INSTRUMENTED, features.counters, PROBES, WITHOUT)
    # Only now: importing these imports the code under test.
    with instrumented:
        from fuzz.search.material import material_of  # noqa: PLC0415
        from fuzz.work.build import build_target  # noqa: PLC0415

        lights = None if feedback == "byte-code" else ProbeLights(features)
        target: Target = build_target(asked.spec(scratch), lights)
        material = material_of(asked.machine)
    (scratch / "dictionary").write_text(material.dictionary)
    (scratch / "corpus").mkdir()
    for number, seed in enumerate(material.seeds):
        (scratch / "corpus" / f"{number}").write_bytes(seed)
    hunt = Hunt(target, asked)

    def one_input(data: bytes) -> None:
        if not features.registered:
            features.register()
        features.clear()
        try:
            execution = hunt(data)
        except Ended:
            assert hunt.attempt is not None
            values = asdict(hunt.attempt)
            values["witness"] = base64.b64encode(hunt.attempt.witness).decode()
            (scratch / ATTEMPT).write_text(json.dumps(values))
            os._exit(0)
        if feedback == "facts":
            features.mark(execution.features)

    leave_alone()
    limit(resource.RLIMIT_AS, memory_of_this_process()[0] + MEMORY)
    stabilise()
    import atheris  # noqa: PLC0415 - optional

    atheris.Setup(arguments(asked, scratch, material.longest, feedback), one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
