"""Folders of inputs, as groups that are run alike.

A campaign says itself how each of its groups is run. Of other folders each file is asked: the options say it, or an
earlier `minimize` that wrote the folder, or the JSON beside the file (a crasher's, a finding's), or where it lies (the
seeds of a machine). What lies there and is no input is left alone: JSON files, hidden files, a witness as text.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fuzz.beside import beside
from fuzz.campaign.findings import READABLE
from fuzz.campaign.folder import Campaign
from fuzz.corpus import CorpusError, find_machine, shipped_machines
from fuzz.designs import UsageError, named_designs, text_of
from fuzz.minimize.how import How
from fuzz.minimize.index import hows_in
from fuzz.minimize.inputs import read_input
from fuzz.minimize.pool import Input
from fuzz.targets import memory, roundtrip, stream
from model import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

TARGETS: Final = (stream.NAME, roundtrip.NAME, memory.NAME)
_SHA1: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say of how inputs are run; what they do not say is empty."""

    target: str = ""
    machine: str = ""
    designs: tuple[str, ...] = ()
    loadvm: bool = False
    beyond: tuple[str, ...] = ()


@dataclass(slots=True)
class Group:
    """Inputs that are run alike."""

    name: str
    how: How
    inputs: dict[str, Input] = field(default_factory=dict)
    """By SHA-1, each content once, by the first file that has it."""
    copies: dict[str, list[Path]] = field(default_factory=dict)
    """By SHA-1, all files with that content, where there are more than one."""
    misnamed: list[Path] = field(default_factory=list)
    """Files that are called by another content's SHA-1: torn, or altered by hand."""
    unreadable: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def files(self) -> int:
        """All that could be read."""
        return len(self.inputs) + sum(len(paths) - 1 for paths in self.copies.values())

    @property
    def size(self) -> int:
        """Bytes of all that could be read."""
        extra = sum((len(paths) - 1) * self.inputs[sha1].size for sha1, paths in self.copies.items())
        return extra + sum(one.size for one in self.inputs.values())

    def take(self, path: Path) -> None:
        """One more file."""
        try:
            data = read_input(path, stream=self.how.target == stream.NAME and not self.how.loadvm)
        except OSError as error:
            self.unreadable.append((path, error.strerror or str(error)))
            return
        sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        if _SHA1.fullmatch(path.name) and path.name != sha1:
            self.misnamed.append(path)
        if sha1 in self.inputs:
            self.copies.setdefault(sha1, [self.inputs[sha1].path]).append(path)
        else:
            self.inputs[sha1] = Input(path, sha1, len(data))


@dataclass(frozen=True, slots=True)
class Gathered:
    """All groups, and the campaigns among the folders."""

    groups: tuple[Group, ...]
    campaigns: tuple[Campaign, ...]
    shape: str
    """Of what comes out: "campaign", "flat", or "groups" (a folder each)."""


def gather(folders: Sequence[Path], asked: Asked, say: Callable[[Callable[[], str]], None]) -> Gathered:
    """Read the folders; `say` is told how far it is.

    Raises UsageError, CorpusError, CampaignError, OSError for what cannot be used.
    """
    gathering = _Gathering(asked)
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder")
        for path, group in gathering.files_of(folder):
            group.take(path)
            say(lambda: f"{sum(len(one.inputs) for one in gathering.groups.values())} inputs read")
    groups = tuple(group for _, group in sorted(gathering.groups.items()) if group.inputs or group.unreadable)
    if not any(group.inputs for group in groups):
        raise UsageError(f"{', '.join(map(str, folders))}: no inputs in there")
    shape = "campaign" if is_campaign(folders[0]) else "flat" if len(groups) == 1 else "groups"
    return Gathered(groups, tuple(gathering.campaigns), shape)


def is_campaign(folder: Path) -> bool:
    """Whether a folder says that it is one."""
    return (folder / "campaign.json").is_file()


class _Gathering:
    def __init__(self, asked: Asked) -> None:
        if asked.target and asked.target not in TARGETS:
            raise UsageError(f"--target {asked.target}: no such target; there are {', '.join(TARGETS)}")
        if asked.machine and asked.target == memory.NAME:
            raise UsageError(f"--machine {asked.machine}: the target {memory.NAME} runs on no machine")
        self._asked = asked
        self._designs = (
            tuple(text_of(design) for design in named_designs(asked.designs) if design is not REFERENCE)
            if asked.designs
            else None
        )
        self.groups: dict[str, Group] = {}
        self.campaigns: list[Campaign] = []
        self._hows: dict[tuple[str, str, bool], tuple[str, How]] = {}

    def files_of(self, folder: Path) -> Iterator[tuple[Path, Group]]:
        """The inputs in a folder, in the order of their names, each with its group."""
        if is_campaign(folder):
            yield from self._of_campaign(Campaign(folder))
            return
        known = self._known(folder)
        for path in _walk(folder):
            name, how = self._how_of(path, known)
            yield path, self._group(name, how, folder)

    def _of_campaign(self, campaign: Campaign) -> Iterator[tuple[Path, Group]]:
        for option, given in (("target", self._asked.target), ("machine", self._asked.machine)):
            if given:
                raise UsageError(f"--{option} {given}: {campaign.path} is a campaign, which says so itself")
        campaign.settings()  # a damaged one is told here, in a line
        self.campaigns.append(campaign)
        for name in campaign.groups():
            spec = campaign.spec(name)
            if spec is None:
                raise UsageError(f"campaign {campaign.path}: nothing says how {name} was run (workers/*/spec.json)")
            group = self._group(name, self._usable(How.of(spec)), campaign.path)
            for path in _walk(campaign.corpus(name)):
                yield path, group

    def _group(self, name: str, how: How, folder: Path) -> Group:
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = Group(name, how)
            return group
        mine = group.how
        if how != mine:
            for what in ("target", "loadvm", "beyond"):
                if getattr(how, what) != getattr(mine, what):
                    raise UsageError(f"{folder}: group {name} has another {what} than the folder before it")
            if how.description != mine.description and _content(how) != _content(mine):
                raise UsageError(f"{folder}: group {name} has another machine than the folder before it")
            designs = tuple(dict.fromkeys((*mine.designs, *how.designs)))
            seeds = tuple(dict.fromkeys((*mine.seeds, *how.seeds)))
            group.how = replace(mine, designs=designs, seeds=seeds)
        return group

    def _usable(self, how: How) -> How:
        """As this call is to run it: with the designs that were asked for, on a machine whose file is still there."""
        asked = self._asked
        if self._designs is not None:
            how = replace(how, designs=self._designs)
        if how.target == stream.NAME:
            beyond = tuple(dict.fromkeys((*how.beyond, *asked.beyond)))
            how = replace(how, loadvm=how.loadvm or asked.loadvm, beyond=beyond)
        if how.description and not Path(how.description).is_file():
            found = find_machine(how.machine)
            how = replace(how, description=str(found.description.resolve()))
        return replace(how, seeds=tuple(seed for seed in how.seeds if Path(seed).is_file()))

    def _known(self, folder: Path) -> dict[Path, tuple[str, How]]:
        """Folders in there of which somebody wrote down how their inputs are run."""
        home = folder.resolve().parent.parent
        if folder.resolve().parent.name == "corpus" and is_campaign(home):
            spec = Campaign(home).spec(folder.resolve().name)
            return {} if spec is None else {folder: (folder.resolve().name, How.of(spec))}
        return hows_in(folder)

    def _how_of(self, path: Path, known: Mapping[Path, tuple[str, How]]) -> tuple[str, How]:
        asked = self._asked
        remembered = known.get(path.parent)
        if remembered is not None and not asked.target and not asked.machine:
            return remembered[0], self._usable(remembered[1])
        said = _said(path)
        target = asked.target or str(said.get("target") or stream.NAME)
        if target not in TARGETS:
            raise UsageError(f"{path}: the JSON beside it names a target that there is not: {target}")
        machine = "" if target == memory.NAME else asked.machine or str(said.get("machine") or "")
        if not machine and target != memory.NAME:
            if len(self.groups) == 1:
                return next((name, group.how) for name, group in self.groups.items())
            raise UsageError(f"{path}: nothing says on which machine it is loaded; give --machine, or --target")
        loadvm = target == stream.NAME and (asked.loadvm or said.get("loadvm") is True)
        key = target, machine, loadvm
        if key not in self._hows:
            self._hows[key] = self._named(*key)
        return self._hows[key]

    def _named(self, target: str, machine: str, loadvm: bool) -> tuple[str, How]:
        beyond = self._asked.beyond if target == stream.NAME else ()
        designs = self._designs
        if designs is None:
            every = () if target == roundtrip.NAME else named_designs(("all",))
            designs = tuple(text_of(design) for design in every if design is not REFERENCE)
        if target == memory.NAME:
            return target, How(target, designs=designs)
        found = find_machine(machine)
        name = f"{target}-{found.name}" if target == roundtrip.NAME else found.name
        seeds = tuple(str(seed.resolve()) for seed in found.seeds) if target == stream.NAME else ()
        how = How(target, machine, str(found.description.resolve()), designs, loadvm, beyond, seeds)
        return f"{name}-loadvm" if loadvm else name, how


def _content(how: How) -> bytes:
    return Path(how.description).read_bytes() if how.description else b""


def _walk(folder: Path) -> Iterator[Path]:
    """The files that may be inputs, below as well, in the order of their names."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith(".") and path.suffix != ".json" and name != READABLE and path.is_file():
                yield path


def _said(path: Path) -> Mapping[str, Any]:
    """What lies beside a file and tells how it is run."""
    for _, values in beside(path):
        if values.get("machine") or values.get("target"):
            return values
    name = path.parent.name
    if path.parent.parent.name != "seeds":
        return {}
    captured = str(path.parent.parent.parent / name)
    try:
        description = find_machine(captured).description
    except CorpusError:
        return {}
    is_shipped = name in shipped_machines() and find_machine(name).description.samefile(description)
    return {"machine": name if is_shipped else captured}
