"""Whether pytest took the folder of crashers for one of tests when it looked for its configuration.

It does so before it knows any plugin's options: of `--vmfuzz-crashers DIR` it takes DIR for a folder of tests. If that
lies elsewhere, pytest never sees the configuration of the project, and says nothing. With `=` it does not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pytest

FILES: Final = {
    "pytest.toml": "",
    ".pytest.toml": "",
    "pytest.ini": "",
    ".pytest.ini": "",
    "pyproject.toml": "[tool.pytest",
    "tox.ini": "[pytest]",
    "setup.cfg": "[tool:pytest]",
}
"""Where pytest's configuration may be, and what then is in that file."""


def misled(config: pytest.Config, option: str, arguments: list[Path]) -> bool:
    """Whether another configuration was taken than that of the arguments, or of the working directory without any."""
    words = [str(word) for word in config.invocation_params.args]
    if option not in words or config.getoption("inifilename") or config.getoption("rootdir"):
        return False
    base = Path(os.path.commonpath(arguments)) if arguments else config.invocation_params.dir
    nearest = next((file for folder in (base, *base.parents) if (file := _in(folder))), None)
    return nearest is not None and nearest != config.inipath


def _in(folder: Path) -> Path | None:
    """The configuration in a folder."""
    for name, told in FILES.items():
        try:
            if told in (folder / name).read_text(errors="replace"):
                return folder / name
        except OSError:
            continue
    return None
