"""How the inputs of one group are run: the target, and what it needs to be built."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from fuzz.campaign.spec import Spec

FORMAT: Final = 1
"""Of what a measurement is; another one makes control files of earlier versions worthless."""

_SOURCES: Final = ("model", "vmformat", "fuzz")


@dataclass(frozen=True, slots=True)
class How:
    """What is to be known to run an input. `seeds` are files that a campaign of this kind begins with."""

    target: str
    machine: str = ""
    """As a person types it; "" for a target without one."""
    description: str = ""
    """The file that describes the machine, with its whole path."""
    designs: tuple[str, ...] = ()
    """Beside the reference: names, or FILE:CLASS with the whole path."""
    loadvm: bool = False
    beyond: tuple[str, ...] = ()
    seeds: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: Spec) -> How:
        """As a campaign's worker runs them."""
        where = spec.target, spec.machine, spec.description
        return cls(*where, spec.designs, spec.loadvm, spec.beyond, spec.seeds)

    def spec(self, campaign: Path | None = None, group: str = "") -> Spec:
        """The same for `fuzz.work.build`, or as what a campaign's group was last told."""
        worker = group or "minimize"
        where = "" if campaign is None else str(campaign.resolve())
        return Spec(
            worker,
            self.target,
            self.machine,
            self.description,
            self.seeds,
            self.designs,
            1,
            where,
            group=group,
            loadvm=self.loadvm,
            beyond=self.beyond,
        )

    def to_json(self) -> dict[str, Any]:
        """The inverse of `from_json`."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> How:
        """Raises TypeError and KeyError for what `to_json` did not write."""
        return cls(
            str(values["target"]),
            str(values["machine"]),
            str(values["description"]),
            tuple(map(str, values["designs"])),
            values["loadvm"] is True,
            tuple(map(str, values["beyond"])),
            tuple(map(str, values["seeds"])),
        )

    def key(self) -> str:
        """Equal where a measurement of the same bytes comes to the same: it covers all code and files that take part.

        Raises OSError.
        """
        digest = hashlib.sha256(f"{FORMAT} {sys.version} {_code()} {self.target} {self.loadvm} {self.beyond}".encode())
        if self.description:
            digest.update(Path(self.description).read_bytes())
        for design in self.designs:
            digest.update(design.encode())
            if ":" in design:
                digest.update(Path(design.rpartition(":")[0]).read_bytes())
        return digest.hexdigest()[:32]


def _code() -> str:
    """A digest of this project's own source."""
    root = Path(__file__).resolve().parent.parent.parent
    digest = hashlib.sha256()
    for package in _SOURCES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def designs_text(designs: tuple[str, ...]) -> str:
    """For people: few by name, many by number."""
    if len(designs) > 3:
        return f"{len(designs)} designs"
    return ", ".join(designs) or "the reference alone"
