"""A user's own schemas: a folder that every command which reads streams asks before what is shipped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

VARIABLE: Final = "VMFUZZ_STORE"
"""The environment variable that `vmformat.store` looks at."""


def default() -> Path:
    """The folder by the XDG base directory specification."""
    home = os.environ.get("XDG_DATA_HOME", "")
    base = Path(home) if home.startswith("/") else Path.home() / ".local" / "share"
    return base / "vmfuzz" / "schemas"


def activate(folder: Path | None) -> None:
    """Have all commands of this process ask the folder; None: what the environment names, else the default one."""
    if folder is None and not os.environ.get(VARIABLE):
        try:
            folder = default()
        except RuntimeError:  # nobody's home
            return
        if not folder.is_dir():
            return
    if folder is not None:
        os.environ[VARIABLE] = str(folder)
