"""Which config bits a destination compares, asked from the program itself.

Loading a config space checks it byte by byte and names the first that differs where it must not, with its masks (pci.md
1.2). So take a good config, invert every byte from k on, cut the stream there, load it: the answer is the first
compared byte at or after k. Go on behind it until there is none. Functions of one kind share the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fuzz.capture.errors import CaptureError
from fuzz.capture.prober import Prober
from fuzz.qemu import QemuError
from vmformat.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fuzz.capture.functions import FunctionFacts

_ANSWER = re.compile(
    r"Bad config data: i=0x([0-9a-f]+) read: ([0-9a-f]+) device: ([0-9a-f]+) "
    r"cmask: ([0-9a-f]+) wmask: ([0-9a-f]+) w1cmask:([0-9a-f]+)"
)


@dataclass(frozen=True, slots=True)
class Masks:
    """Masks by config byte. `compare`: effective, what a load checks. `writable`, `w1c`: as QEMU told them of the bytes
    that it checks; of others `writable` is what was learned by writing (`writable`).
    """

    compare: bytes
    writable: bytes
    w1c: bytes


def learn_masks(
    arguments: Sequence[str],
    functions: Sequence[FunctionFacts],
    prologue: bytes,
    *,
    binary: str,
    progress: Callable[[str], None],
) -> dict[str, Masks]:
    """The masks of every function, by address. `prologue`: a stream's bytes before its first record."""
    kinds = representatives(functions)
    found: dict[tuple[object, ...], Masks] = {}
    for number, (kind, function) in enumerate(kinds.items(), 1):
        progress(f"compare masks: {function.device.type} ({number} of {len(kinds)})")
        with Prober(arguments, binary=binary) as prober:  # one each: what the last load leaves behind stays with it
            found[kind] = _walk(prober, function, prologue)
    return {function.address: found[function.kind] for function in functions if function.kind in found}


def representatives(functions: Sequence[FunctionFacts]) -> dict[tuple[object, ...], FunctionFacts]:
    """The first function of each kind whose config space is in a stream."""
    kinds: dict[tuple[object, ...], FunctionFacts] = {}
    for function in functions:
        if function.section is not None:
            kinds.setdefault(function.kind, function)
    return kinds


def _walk(prober: Prober, function: FunctionFacts, prologue: bytes) -> Masks:
    assert function.section is not None
    size, start = len(function.config), function.config_offset
    head = prologue + function.section.head() + function.section.payload[:start]
    compare, writable, w1c = bytearray(size), bytearray(size), bytearray(size)
    at = 0
    while at < size:
        config = function.config[:at] + bytes(byte ^ 0xFF for byte in function.config[at:])
        try:
            lines = prober.load(head + config)
        except QemuError:
            if at == 0:
                raise
            break  # nothing compared from here on: it went on to load what makes no sense
        answer = next((match for line in lines if (match := _ANSWER.search(line))), None)
        if answer is None:
            if at == 0:  # who made the device is compared everywhere
                raise CaptureError(f"{function.device.id}: it took a config space that is not its own: {lines}")
            break
        index, _, device, cmask, wmask, w1cmask = (int(text, 16) for text in answer.groups())
        if device != function.config[index]:
            raise CaptureError(
                f"{function.device.id}: config byte {index:#x} is {device:#x} in a destination, "
                f"{function.config[index]:#x} in the stream"
            )
        compare[index] = cmask & ~wmask & ~w1cmask
        writable[index], w1c[index] = wmask, w1cmask
        at = index + 1
    return Masks(bytes(compare), bytes(writable), bytes(w1c))


def shown(mask: bytes) -> Mapping[str, str]:
    """A mask as descriptions have it: `{"00-03": "ff", "06": "10"}`, all in hexadecimal, zeros left out."""
    width = 3 if len(mask) > 256 else 2
    result: dict[str, str] = {}
    at = 0
    while at < len(mask):
        end = at
        while end + 1 < len(mask) and mask[end + 1] == mask[at]:
            end += 1
        if mask[at]:
            span = f"{at:0{width}x}" if end == at else f"{at:0{width}x}-{end:0{width}x}"
            result[span] = f"{mask[at]:02x}"
        at = end + 1
    return result


def prologue_of(stream: Stream) -> bytes:
    """A stream's bytes before its first record: header and configuration."""
    return b"".join(bytes(piece) for piece in Stream(stream.header, stream.configuration).pieces())
