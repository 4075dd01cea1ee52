"""Learn schemas from real QEMUs: what the shipped store was made with (`vmfuzz schema capture`).

Every machine of `zoo` is started and saved, with a VMDESCRIPTION whatever its type says; of RAM nothing is kept.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz.capture.errors import CaptureError
from fuzz.capture.machine import read_own
from fuzz.capture.sections import dump_vmstate
from fuzz.capture.zoo import plan
from fuzz.qemu import Qemu, QemuError
from vmformat.store.archive import Entry
from vmformat.store.learn import Learner
from vmformat.store.processors import with_known
from vmformat.store.unseen import FREE, SCHEMAS, with_insides

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fuzz.capture.zoo import Item

_DUMPED = {"aarch64": "virt"}
_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Learnt:
    """Schemas by vmsd name, arrays of open length, and how many machines taught them."""

    known: Mapping[str, Sequence[Entry]]
    free: frozenset[tuple[str, str]]
    machines: int


def learn(
    binaries: Sequence[str],
    *,
    only: Sequence[str] = (),
    keep: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Learnt:
    """Ask every machine of these QEMUs. Streams in the folder `keep` are used instead of being made again.

    Raises QemuError if there is no such QEMU, CaptureError if nothing could be learnt.
    """
    learner = Learner()
    dumps = []
    machines = 0
    with tempfile.TemporaryDirectory(prefix="vmfuzz-schemas-") as scratch:
        folder = Path(scratch) if keep is None else keep
        folder.mkdir(parents=True, exist_ok=True)
        for binary in binaries:
            machine = next((value for word, value in _DUMPED.items() if word in binary), "pc")
            dumps.append(dump_vmstate(binary, machine))
            items = list(plan(binary, only))
            for number, item in enumerate(items, start=1):
                path = folder / f"{hashlib.sha256(repr((binary, item)).encode()).hexdigest()[:16]}.vmstate"
                text = " ".join(item.arguments)
                try:
                    if not path.exists():
                        _save(binary, item, path)
                    _take(learner, path.read_bytes())
                except (QemuError, CaptureError) as error:
                    path.unlink(missing_ok=True)
                    progress(f"{number}/{len(items)} {text}: {error}")
                    continue
                finally:
                    if keep is None:
                        path.unlink(missing_ok=True)
                machines += 1
                progress(f"{number}/{len(items)} {text}")
    if not machines:
        raise CaptureError("no machine could be saved: nothing learnt")
    return Learnt(completed(learner, dumps), learner.free() | FREE, machines)


def completed(learner: Learner, dumps: Sequence[Mapping[str, Any]]) -> dict[str, list[Entry]]:
    """What was learnt, by vmsd name, with what is known besides."""
    known: dict[str, list[Entry]] = {}
    for (name, _), several in sorted(learner.schemas(dumps).items()):
        known.setdefault(name, []).extend(Entry(with_known(with_insides(one.schema)), one.seen) for one in several)
    for schema in SCHEMAS:
        known.setdefault(schema.name, [Entry(schema, 0)])
    return known


def _save(binary: str, item: Item, path: Path) -> None:
    with Qemu(item.arguments, binary=binary, timeout=_TIMEOUT) as vm:
        vm.qmp("qom-set", {"path": "/machine", "property": "suppress-vmdesc", "value": False})
        if item.boot:
            vm.qmp("cont")
            time.sleep(item.boot)
            vm.qmp("stop")
        vm.migrate(path)


def _take(learner: Learner, data: bytes) -> None:
    for section in read_own(data).sections:
        learner.add(section)
