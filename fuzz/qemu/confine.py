"""Limits for a QEMU process: it dies with us, has bounded memory and processor time, and may be sealed off.

A sealed process loads a stream that may be hostile: it has no network (a network namespace of its own) and cannot
write to a file (Landlock) but those in its temporary folder. What its arguments name as memory or as an image with
`-blockdev` stays writable, or it would not start; images given otherwise are opened through a temporary overlay. Each
of these is done as far as the kernel lets us: a host without Landlock or user namespaces seals less, and nothing fails
for it.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import signal
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LIBC = ctypes.CDLL(None, use_errno=True)

_ADDRESS_SPACE: Final = 64 << 30
"""Bytes of virtual memory: guest RAM, TCG's buffer, thread stacks."""

_PROCESSOR_SECONDS: Final = 1200
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWUSER: Final = 0x1000_0000
_CLONE_NEWNET: Final = 0x4000_0000

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION: Final = 1
_LANDLOCK_PATH: Final = 1
_WRITES: Final = 1 << 1 | sum(1 << bit for bit in range(4, 13))
"""Landlock's rights to write a file, to remove, and to make anything (its first version)."""

_FILE_WRITE: Final = 1 << 1
_DEVICES: Final = "/dev"
_IMAGE_OPTIONS: Final = frozenset(
    {"drive", "hda", "hdb", "hdc", "hdd", "fda", "fdb", "cdrom", "pflash", "sd", "mtdblock"}
)
_HOST_NETWORK: Final = re.compile(r"^(tap|bridge|vhost-|l2tpv3|passt)|,(vhost|type=tap|type=bridge)")


def limit() -> None:
    """In the child: die with the parent, no core files, bounded memory and processor time."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, _ADDRESS_SPACE),
        (resource.RLIMIT_CPU, _PROCESSOR_SECONDS),
    ):
        hard = resource.getrlimit(what)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))


class Seal:
    """What a sealed process is started with: its arguments, its environment, and (called in the child) the rest."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self.arguments = _without_locks(arguments)
        self.environment = {"TMPDIR": str(folder)}
        """What is added to the environment."""
        names = {word.lstrip("-") for word in arguments if word.startswith("-")}
        if names & _IMAGE_OPTIONS and "snapshot" not in names:
            self.arguments = (*self.arguments, "-snapshot")
        self._network = not any(_HOST_NETWORK.search(word) for word in arguments)
        self._writable = [str(folder), _DEVICES, *_named_files(arguments)]

    def __call__(self) -> None:
        """In the child, before the program."""
        limit()
        if self._network and _LIBC.unshare(_CLONE_NEWNET) != 0:
            _LIBC.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
        self._landlock()

    def _landlock(self) -> None:
        call = _LIBC.syscall
        if call(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION) < 1:
            return
        attributes = struct.pack("=Q", _WRITES)
        rules = call(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
        if rules < 0:
            return
        for path in self._writable:
            try:
                place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            rights = _WRITES if Path(path).is_dir() else _FILE_WRITE
            call(_LANDLOCK_ADD, rules, _LANDLOCK_PATH, struct.pack("=Qi", rights, place), 0)
            os.close(place)
        _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        call(_LANDLOCK_RESTRICT, rules, 0)
        os.close(rules)


def _without_locks(arguments: Sequence[str]) -> tuple[str, ...]:
    """`-blockdev` without the image locks by which two stopped processes would keep each other from starting."""
    result: list[str] = []
    for index, word in enumerate(arguments):
        before = arguments[index - 1].lstrip("-") if index else ""
        if before == "blockdev":
            word = _json_without_locks(word) if word.startswith("{") else _text_without_locks(word)
        result.append(word)
    return tuple(result)


def _text_without_locks(word: str) -> str:
    prefixes = [match[1] or "" for match in re.finditer(r"(?:^|,)((?:[\w-]+\.)*)driver=file(?=,|$)", word)]
    return word + "".join(f",{prefix}locking=off" for prefix in prefixes if f"{prefix}locking=" not in word)


def _json_without_locks(word: str) -> str:
    def visit(value: object) -> object:
        if isinstance(value, dict):
            value = {key: visit(inner) for key, inner in value.items()}
            if value.get("driver") == "file":
                value.setdefault("locking", "off")
        return value

    try:
        return json.dumps(visit(json.loads(word)))
    except ValueError:
        return word  # QEMU will say what is wrong with it


def _named_files(arguments: Sequence[str]) -> Iterable[str]:
    """Files that the arguments give the program to write to: memory, and images of block nodes."""
    for index, word in enumerate(arguments):
        for match in re.finditer(r'(?:^|,)(?:[\w-]+\.)*(?:mem-path|filename)=([^,]+)|"filename"\s*:\s*"([^"]+)"', word):
            yield match[1] or match[2]
        if index and arguments[index - 1].lstrip("-") == "mem-path":
            yield word
