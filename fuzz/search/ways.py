"""The ways of searching, by name."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from fuzz.engine import available

if TYPE_CHECKING:
    from pathlib import Path

    from fuzz.search.asked import Attempt, Search

OWN: Final = "vmfuzz"

_MODULES: Final = {
    OWN: "own",
    "atheris": "bytes_alone",
    "hypothesis": "by_hypothesis",
    "random": "at_random",
    "atheris-facts": "bytes_alone",
    "atheris-byte-code": "bytes_alone",
    "hypothesis-target": "by_hypothesis",
    "hypothesis-arms": "by_hypothesis",
}

WAYS: Final = (OWN, "atheris", "hypothesis", "random")
"""Ours, and those that it is held against."""

ALL: Final = tuple(_MODULES)
"""These, and the same with other settings."""


def lacking(way: str) -> str:
    """Why a way cannot be gone here, in a line; "" if it can. Raises KeyError for a name that is none."""
    module = _MODULES[way]
    if module in {"own", "bytes_alone"} and available():
        return "atheris is not installed for this Python"
    if module == "by_hypothesis" and find_spec("hypothesis") is None:
        return "hypothesis is not installed (vmfuzz[strategies] brings it)"
    return ""


def search(asked: Search, scratch: Path) -> Attempt:
    """Go the way that is asked for; `scratch`: an empty folder. Imports the code under test."""
    attempt: Attempt = import_module(f"fuzz.search.{_MODULES[asked.way]}").search(asked, scratch)
    return attempt
