"""Every crasher of the corpus has the fewest sections that can show it: without any one of them it shows it no more."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

import pytest
from bloated import FOLDER

from fuzz.corpus import find_machine
from fuzz.crashers import read_crasher
from fuzz.lives import lives_of
from fuzz.shrink import Case, Judge
from fuzz.shrink.work import records
from model import DESIGNS, parse, section_schemas
from model.outcome import Cause
from vmformat import Eof, read, write
from vmformat.edit.records import Slots

if TYPE_CHECKING:
    from pathlib import Path

CRASHERS = sorted(FOLDER.glob("*.vmstate"))


@cache
def judge(machine: str) -> Judge:
    return Judge(parse(find_machine(machine).description.read_bytes()), DESIGNS["wrap-main"])


@pytest.mark.parametrize("path", CRASHERS, ids=[path.stem for path in CRASHERS])
def test_no_record_can_go(path: Path) -> None:
    crasher = read_crasher(path)
    causes = set(json.loads(path.with_suffix(".json").read_text()).get("cause", ()))
    if not causes:
        pytest.skip(f"it was not shrunk: vmfuzz shrink {path} -o {path}")
    one = judge(crasher.machine)
    one.design = DESIGNS[Cause.parse(min(causes)).design]
    one.loadvm, one.lives = crasher.loadvm, lives_of(causes)
    data = path.read_bytes()
    assert causes <= set(one.causes(Case(data, crasher.schedule)))
    schemas = section_schemas(one.description)
    stream = read(data, schemas, tolerant=True)
    for place, record in records(stream, schemas):
        if not isinstance(record, Eof):
            slots = Slots(stream, schemas)
            slots.take(slots.at(place))
            fewer = Case(write(slots.result()), crasher.schedule)
            assert not causes <= set(one.causes(fewer)), record
