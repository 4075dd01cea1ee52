"""What is wrong with the entries of a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fuzz.minimize.cover import Candidate
    from fuzz.minimize.measurement import Features, Measurement
    from fuzz.minimize.sources import Group

FAR_LARGER: Final = 4
"""An entry is over-sized that is so many times as large as another one that shows all that it shows."""
WORTH: Final = 16
"""... if it is not small anyway, less than a so-manieth of the longest mutant."""

MEANINGS: Final = {
    "unreadable": "could not be read",
    "misnamed": "not the content of its name: torn, or altered",
    "set_aside": "hung, died or ran out of memory: not in the result",
    "duplicate_bytes": "another file has the same bytes",
    "duplicate_features": "a smaller file shows exactly the same",
    "dead": "shows nothing that the seeds, or the empty input, do not show",
    "over_sized": f"longer than any mutant, or {FAR_LARGER} times a file that shows as much",
    "non_deterministic": "showed something else when looked at again",
}
"""The kinds, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Ill:
    """One entry: the file, and what there is to say of it."""

    path: str
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """For the index."""
        return {"path": self.path, **({"why": self.why} if self.why else {})}


Health = dict[str, list[Ill]]
"""By kind (`MEANINGS`), its entries."""


def health(
    group: Group,
    measured: Mapping[str, Measurement],
    unsteady: Mapping[str, str],
    baseline: Iterable[Measurement],
    longest: int,
) -> Health:
    """Of one group. `unsteady`: by SHA-1, what differed. `longest`: bytes of the longest mutant; 0: unknown."""
    found: Health = {kind: [] for kind in MEANINGS}
    path = {sha1: str(one.path) for sha1, one in group.inputs.items()}
    found["unreadable"] = [Ill(str(file), why) for file, why in group.unreadable]
    found["misnamed"] = [Ill(str(file)) for file in group.misnamed]
    for sha1, files in sorted(group.copies.items()):
        found["duplicate_bytes"] += [Ill(str(file), f"as {path[sha1]}") for file in files[1:]]
    found["non_deterministic"] = [Ill(path[sha1], why) for sha1, why in sorted(unsteady.items())]
    known: Features = 0
    seeds = set()
    for one in baseline:
        known |= one.features
        seeds.add(one.sha1)
    first: dict[Features, str] = {}
    by_size = sorted(measured.values(), key=lambda one: (group.inputs[one.sha1].size, one.sha1))
    for one in by_size:
        if one.failed:
            found["set_aside"].append(Ill(path[one.sha1], one.failed))
            continue
        if one.features in first:
            found["duplicate_features"].append(Ill(path[one.sha1], f"as {path[first[one.features]]}"))
        else:
            first[one.features] = one.sha1
        if seeds and one.sha1 not in seeds and not one.features & ~known:
            found["dead"].append(Ill(path[one.sha1]))
    distinct = [(group.inputs[sha1].size, features, sha1) for features, sha1 in first.items()]
    for one in by_size:
        size = group.inputs[one.sha1].size
        if longest and size > longest:
            found["over_sized"].append(Ill(path[one.sha1], f"{size} bytes; mutants have at most {longest}"))
        elif not one.failed and size * WORTH >= longest and (other := _far_smaller(one, size, distinct)):
            found["over_sized"].append(
                Ill(path[one.sha1], f"{size} bytes; {path[other]} shows as much with {group.inputs[other].size}")
            )
    return found


def _far_smaller(one: Measurement, size: int, distinct: Sequence[tuple[int, Features, str]]) -> str:
    """The smallest entry, by SHA-1, that shows all that this one shows at a fraction of its size; "" if none does."""
    for other, features, sha1 in distinct:
        if FAR_LARGER * other > size or sha1 == one.sha1:
            return ""
        if not one.features & ~features:
            return sha1
    return ""


def alone(kept: Sequence[Candidate]) -> dict[str, Features]:
    """By name of a kept file, what it alone shows of all that are kept: the reason why it is."""
    once = more = 0
    for one in kept:
        more |= once & one.features
        once |= one.features
    return {one.name: one.features & once & ~more for one in kept}
