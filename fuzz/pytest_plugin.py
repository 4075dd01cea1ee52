"""The pytest plugin: `pytest --vmfuzz-crashers DIR` holds crashers to what is expected of them, beside other tests.

pytest loads this file wherever the package is installed, so it does next to nothing: a few options. What collects and
runs crashers (`fuzz.replay.items`) is imported when somebody asks for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

ACCEPT: Final = "--accept"
_OPTION: Final = "--vmfuzz-crashers"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and settings, each with the package's name in it."""
    group = parser.getgroup("vmfuzz", "crashers of vmfuzz")
    group.addoption(
        _OPTION,
        action="append",
        metavar="DIR",
        help="Hold the crashers in DIR (ID.vmstate beside ID.json) to what is expected of them; may be repeated.",
    )
    group.addoption(
        "--vmfuzz-design",
        action="append",
        metavar="FILE:CLASS",
        help="Your own load design of which crashers tell; may be repeated.",
    )
    group.addoption(
        "--vmfuzz-accept",
        action="store_true",
        help=f"Write outcomes that differ as what is expected. {ACCEPT} with {_OPTION} does so, too, unless another "
        "plugin has an option of that name.",
    )
    parser.addini("vmfuzz_crashers", "Folders of crashers, as for --vmfuzz-crashers.", type="paths", default=[])
    parser.addini("vmfuzz_designs", "Your own load designs, a FILE:CLASS a line.", type="linelist", default=[])


@pytest.hookimpl(hookwrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, None, None]:
    """`--accept` is short for `--vmfuzz-accept`, but only where it is typed for crashers and nobody else knows it.

    Looked at when all have said their options: an option that we took first would stop theirs.
    """
    yield
    if ACCEPT not in args or not _asked(early_config, args):
        return
    _, unknown = parser.parse_known_and_unknown_args(args)
    if ACCEPT in unknown:
        group = parser.getgroup("vmfuzz")
        group.addoption(ACCEPT, action="store_true", dest="vmfuzz_accept", help="The same as --vmfuzz-accept.")


def pytest_configure(config: pytest.Config) -> None:
    """Crashers are looked for where somebody asked for them. Raises UsageError."""
    given = bool(config.getoption("vmfuzz_crashers") or config.getini("vmfuzz_crashers"))
    if not given:
        for name in ("vmfuzz_accept", "vmfuzz_design"):
            if config.getoption(name):
                raise pytest.UsageError(f"--{name.replace('_', '-')}: no crashers are given; {_OPTION} DIR does so")
        return
    from fuzz.replay.items import Crashers  # noqa: PLC0415 - nobody else shall pay for it

    config.pluginmanager.register(Crashers(config), "vmfuzz-crashers")


def _asked(config: pytest.Config, args: list[str]) -> bool:
    return any(word.partition("=")[0] == _OPTION for word in args) or bool(config.getini("vmfuzz_crashers"))
