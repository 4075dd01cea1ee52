"""The feature map: a region of counters of our own that libFuzzer scans after each execution.

One bytearray serves two purposes. Its low part holds the probes that `probes.py` writes into the code under test
(`C[k] = 1` at each block); its high part holds facts that a target reports about an execution. libFuzzer treats each
non-zero byte as a feature: an input that sets a byte no kept input has set is kept.

Facts should be small and composable ("reader x harmful"), not a hash of a whole state: hashing the whole state made the
corpus thirty times larger and the search worse, while small facts helped by a fifth (engine fact sheet, 3.4).

The region is handed over inside the first execution: touching atheris's native module any earlier makes libFuzzer
miss the custom mutator and crossover without a word.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fuzz.engine.target import Feature

PROBES: Final = 1 << 14
"""Counters set aside for probes; a probe numbered beyond that shares a counter."""
SIZE: Final = 1 << 16
"""All counters. Scanning 64 Ki of them costs the engine about 4 microseconds an execution."""


MOST_SLOTS: Final = 1 << 17
"""Counters of facts that are remembered, some 30 MB of them; a week may see any number of facts."""


class FeatureMap:
    """Counters shared with libFuzzer."""

    def __init__(self, size: int = SIZE, probes: int = PROBES) -> None:
        self.counters = bytearray(size)
        self.registered = False
        self._probes = probes
        self._slots: dict[Feature, int] = {}
        self._forgotten = 0
        self._keep: tuple[object, ...] = ()
        self.written: Callable[[], int] = lambda: 0
        """How many probes the code under test has, as far as it is imported."""
        self._dark = bytearray(size)  # of the same type: else it is copied on the way
        self._lit: set[int] = set()
        self._seen_probes = self._once_probes = self._twice_probes = self._settled_probes = 0
        """A byte per probe, as numbers: those that any execution lit, that just one did, that just two did, that more
        did. Nearly all are of the last kind soon, and nothing of them is counted any more."""
        self._times = bytearray(size)
        """How many executions reported a fact, 3 for more."""
        self._settled: set[int] = set()
        """Facts that three executions or more reported."""
        self._facts = [0, 0, 0]
        """Facts reported at all, by one execution, by two."""

    @property
    def situations(self) -> int:
        """Different facts reported so far by this process; a few may count twice where there are very many."""
        return self._forgotten + len(self._slots)

    def slot(self, feature: Feature) -> int:
        """The counter of a fact: equal in every process, since it depends on the fact's text only."""
        known = self._slots.get(feature)
        if known is None:
            if len(self._slots) >= MOST_SLOTS:
                self._forgotten += len(self._slots)
                self._slots.clear()
            known = self._probes + crc32(repr(feature).encode()) % (len(self.counters) - self._probes)
            self._slots[feature] = known
        return known

    def mark(self, features: Iterable[Feature]) -> None:
        """Set the counters of these facts."""
        features = tuple(features)
        slots = self._slots
        try:
            numbers = set(map(slots.__getitem__, features))
        except KeyError:
            numbers = set(map(self.slot, features))
        counters = self.counters
        for number in numbers:
            counters[number] = 1
        self._lit |= numbers

    def taken(self) -> tuple[int, ...]:
        """Numbers of the counters set since they were last cleared, in order: the features of what ran meanwhile."""
        counters, numbers, at = self.counters, [], -1
        while (at := counters.find(1, at + 1)) >= 0:
            numbers.append(at)
        return tuple(numbers)

    def clear(self) -> None:
        """Set all counters to zero, as libFuzzer does before each execution."""
        self.counters[:] = self._dark
        self._lit.clear()

    def fold(self) -> int:
        """Count what the execution that just ended lit; returns how many of its counters no earlier one had lit.

        It is libFuzzer's own question, asked of the same counters: an input is kept when the answer is above 0.
        """
        facts = self._lit - self._settled
        fresh = self._count_facts(facts) if facts else 0
        self._lit.clear()
        counters = self.counters
        lit = int.from_bytes(counters[: counters.rfind(1, 0, self._probes) + 1], "little")
        lit ^= lit & self._settled_probes
        return fresh + self._count_probes(lit) if lit else fresh

    def _count_facts(self, slots: Iterable[int]) -> int:
        fresh = 0
        facts, times = self._facts, self._times
        for slot in slots:
            before = times[slot]
            times[slot] = before + 1
            if before == 0:
                fresh += 1
            else:
                facts[before] -= 1
            if before < 2:
                facts[before + 1] += 1
            else:
                self._settled.add(slot)
        facts[0] += fresh
        return fresh

    def _count_probes(self, lit: int) -> int:
        new = lit ^ (lit & self._seen_probes)
        again = lit & self._once_probes
        third = lit & self._twice_probes
        self._seen_probes |= new
        self._once_probes ^= again | new
        self._twice_probes ^= again | third
        self._settled_probes |= third
        return new.bit_count()

    @property
    def tally(self) -> tuple[int, int, int]:
        """Different counters that executions have lit; those that only one lit; those that two did."""
        sums = (self._seen_probes, self._once_probes, self._twice_probes)
        seen, once, twice = (one + bits.bit_count() for one, bits in zip(self._facts, sums, strict=True))
        return seen, once, twice

    @property
    def coverage(self) -> tuple[int, int]:
        """Probes that executions have lit, and probes that there are."""
        return self._seen_probes.bit_count(), min(self.written(), self._probes)

    def register(self) -> None:
        """Hand the counters to libFuzzer. Call it in the first execution, once."""
        self.registered = True
        size = len(self.counters)
        built_in = sys.modules.get("atheris.core_with_libfuzzer")
        # Where a libFuzzer was loaded before Python was, as OSS-Fuzz does with its sanitizers', atheris takes that one.
        library = ctypes.CDLL(built_in.__file__ if built_in is not None else None)
        # libFuzzer wants a table of (program counter, flags) beside the counters; made-up addresses serve.
        table = bytearray(16 * size)
        for index in range(size):
            table[16 * index : 16 * index + 8] = (0x10000000 + index).to_bytes(8, "little")
        counters = (ctypes.c_char * size).from_buffer(self.counters)
        addresses = (ctypes.c_char * (16 * size)).from_buffer(table)
        for name, region, length in (
            ("__sanitizer_cov_8bit_counters_init", counters, size),
            ("__sanitizer_cov_pcs_init", addresses, 16 * size),
        ):
            function = library[name]
            function.argtypes = [ctypes.c_void_p] * 2
            function.restype = None
            start = ctypes.addressof(region)
            function(start, start + length)
        self._keep = (counters, addresses, table)
