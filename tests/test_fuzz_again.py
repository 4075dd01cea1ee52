"""A section that is sent a second time, altered: both are there, the first as it was."""

from __future__ import annotations

from mutants import stream

from fuzz.mutate.again import again
from fuzz.mutate.dice import Dice
from fuzz.mutate.places import Places
from fuzz.mutate.scene import Scene
from vmformat import Section, Stream

RAM = 16 << 20


def twice(source: Stream, mutant: Stream) -> tuple[Section, int, int]:
    """The section that came in, where it stands, and where the first of its name does."""
    old = list(source.records)
    at = next(at for at, record in enumerate(mutant.records) if at == len(old) or record is not old[at])
    inserted = mutant.records[at]
    assert isinstance(inserted, Section)
    assert [*mutant.records[:at], *mutant.records[at + 1 :]] == old
    first = next(i for i, one in enumerate(old) if isinstance(one, Section) and one.name == inserted.name)
    return inserted, at, first


def test_the_first_stays_and_the_second_is_nearly_always_another() -> None:
    source = stream("q35-modern")
    scene = Scene(Places(RAM), (source,), 1 << 20)
    made = [mutant for seed in range(300) if (mutant := again(source, Dice(seed), scene)) is not None]
    found = [twice(source, mutant) for mutant in made]
    assert len(found) > 200
    assert sum(section not in source.records for section, *_ in found) > 0.9 * len(found)
    assert all(first < at for _, at, first in found)
    kinds = {section.name.rsplit("/", 1)[-1] for section, *_ in found}
    assert {"virtio-blk", "pcie-root-port"} <= kinds
    last = 1 + max(at for at, record in enumerate(source.records) if isinstance(record, Section))
    assert 50 < sum(at - first > 8 for _, at, first in found) < 200
    assert 50 < sum(at == last for _, at, _ in found) < 200
