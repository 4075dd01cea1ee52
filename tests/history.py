"""What mutants light and show, in one order or another: `python tests/history.py TARGET:ORDER...`, in its own process.

Probes must be in place before anything of the code under test is imported, which a test's own process has long done.
Prints a JSON object: by target, for each mutant, by its number, the counters that it lit and the findings that it
showed. Targets that go into one process are of one kind of code under test; each has what those before it have left.

ORDER: `forward`; `backward`; `twice`, each two times in a row; `fresh`, each on a target newly built; `plain`, backward
with every load done in earnest, nothing remembered. The target `pair` is `stream` under the reference and one design.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz.campaign.spec import Spec
from fuzz.engine import PROBES, FeatureMap
from fuzz.engine.lights import ProbeLights
from fuzz.engine.probes import install
from fuzz.work.worker import INSTRUMENTED, UNDER_TEST, WITHOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.mutate.mutator import Mutator
    from fuzz.mutate.programs import ProgramMutator

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
MUTANTS = {"stream": 6, "pair": 60, "snapshot": 3, "roundtrip": 50, "memory": 10}


def begin_with(target: str) -> Sequence[bytes]:
    """Inputs to begin with: real streams, small ones, programs."""
    seeds = [path.read_bytes() for path in sorted((CORPUS / "seeds" / "pc-small").glob("*.vmstate"))]
    if target in {"stream", "pair", "snapshot"}:
        return seeds
    if target == "memory":
        from fuzz.programs import seed_inputs

        return seed_inputs()
    from fuzz.mutate.small import small_inputs

    return small_inputs(seeds)


def mutants(mutator: Mutator | ProgramMutator, pool: Sequence[bytes], wanted: int) -> list[bytes]:
    """So many mutants, of mutants as well. The same ones each time."""
    dice = random.Random(5)
    made = list(pool)[-wanted // 4 :]
    while len(made) < wanted:
        made.append(mutator.mutate(dice.choice(made), mutator.max_size, dice.getrandbits(31)))
    return made


def main(*asked: str) -> dict[str, dict[int, Any]]:
    """Run them."""
    features = FeatureMap()
    targets = dict(one.split(":") for one in asked)
    first, *others = {"stream" if target in {"pair", "snapshot"} else target for target in targets}
    assert not others
    without = () if first == "memory" else WITHOUT
    finder = install(UNDER_TEST.get(first, INSTRUMENTED), features.counters, PROBES, without)
    features.written = lambda: finder.count
    return {target: shown(target, order, first, features) for target, order in targets.items()}


def shown(target: str, order: str, name: str, features: FeatureMap) -> dict[int, Any]:
    """What a target's mutants light and show."""
    lights = ProbeLights(features)
    from fuzz.work import build
    from model import DESIGNS, load

    class Plain(build.Destination):
        """Does every load."""

        def load(self, data: bytes, design: Any, *schedule: Any, loadvm: bool = False) -> Any:
            return load(self.machine, data, design, loadvm=loadvm, schedule=schedule[0])

    pool = begin_with(target)
    genuine = build.Destination
    if order == "plain":
        build.Destination = Plain  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(pool):
            (Path(folder) / f"{number:04}").write_bytes(data)
        spec = Spec(
            worker="history",
            target=name,
            machine="pc-small",
            description=str(CORPUS / "machines" / "pc-small.json"),
            seeds=tuple(map(str, sorted(Path(folder).iterdir()))),
            designs=("wrap-main",)
            if target == "pair"
            else tuple(one for one in DESIGNS if target == name or one < "g"),
            seed=1,
            campaign="",
            loadvm=target == "snapshot",
        )
        inputs = mutants(build.build_mutator(spec), pool, MUTANTS[target])
        runs = build.build_target(spec, lights)
        found: dict[int, Any] = {}
        numbers = range(len(inputs))
        for number in reversed(numbers) if order in {"backward", "plain"} else numbers:
            if order == "fresh":
                runs = build.build_target(spec, lights)
            for _ in range(2 if order == "twice" else 1):
                features.clear()
                execution = runs.run(inputs[number])
                features.mark(execution.features)
            findings = sorted((one.kind, one.cause, one.text, one.severity, one.readable) for one in execution.found)
            found[number] = [features.taken(), findings]
    build.Destination = genuine  # type: ignore[misc]
    return found


if __name__ == "__main__":
    json.dump(main(*sys.argv[1:]), sys.stdout, sort_keys=True)
