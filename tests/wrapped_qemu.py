"""A QEMU that wraps its main loop in one memory transaction: the real program for the design `wrap-main`.

`build` compiles `wrapped/wrap_main.c`, a preload library, and writes a script `qemu-wrapped` that starts a program with
it. The script can be given wherever a QEMU binary can (`vmfuzz confirm --against`). To have one at hand:

    python tests/wrapped_qemu.py FOLDER [BINARY]
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "wrapped" / "wrap_main.c"
BINARY = "qemu-system-x86_64"
UNUSABLE = 77


class CannotWrap(Exception):
    """There is no compiler, or the program cannot be wrapped: one line."""


def build(folder: Path, binary: str = BINARY) -> Path:
    """Write `qemu-wrapped` to `folder` and return its path. Raises CannotWrap."""
    compiler, program = shutil.which("cc"), shutil.which(binary)
    if compiler is None:
        raise CannotWrap("no C compiler (cc)")
    if program is None:
        raise CannotWrap(f"no {binary}")
    library, script = folder / "wrap_main.so", folder / "qemu-wrapped"
    subprocess.run([compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    script.write_text(f'#!/bin/sh\nLD_PRELOAD={shlex.quote(str(library))} exec {shlex.quote(program)} "$@"\n')
    script.chmod(0o755)
    tried = subprocess.run([script, "-version"], capture_output=True, text=True, check=False)
    if tried.returncode == UNUSABLE:
        raise CannotWrap(tried.stderr.strip())
    return script


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), *sys.argv[2:3]))
