"""A model of QEMU's memory API and device loaders, the load designs, and outcomes of loads."""

from model.aftermath import judge_life, judge_stages
from model.compare import compare, judge
from model.description import Description, from_json, parse
from model.designs import DESIGNS, REFERENCE, Design
from model.errors import Abort, DescriptionError
from model.fit import misfits
from model.loader import load
from model.machine import Machine
from model.outcome import At, Cause, DeviceState, Finding, Outcome, QueueState
from model.rehearsal import Loads
from model.schemas import section_schemas
from model.session import LIVES, Stage, live, stages_of

__all__ = [
    "DESIGNS",
    "LIVES",
    "REFERENCE",
    "Abort",
    "At",
    "Cause",
    "Description",
    "DescriptionError",
    "Design",
    "DeviceState",
    "Finding",
    "Loads",
    "Machine",
    "Outcome",
    "QueueState",
    "Stage",
    "compare",
    "from_json",
    "judge",
    "judge_life",
    "judge_stages",
    "live",
    "load",
    "misfits",
    "parse",
    "section_schemas",
    "stages_of",
]
