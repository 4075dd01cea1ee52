"""Programs of memory-API calls: values with a text form and bytes, run under load designs and held to memory.md."""

from fuzz.programs.codec import decode, encode
from fuzz.programs.judge import Judge, Judged
from fuzz.programs.program import Call, Program, ProgramError, from_text
from fuzz.programs.result import Result, ends
from fuzz.programs.run import run
from fuzz.programs.seeds import seed_inputs
from fuzz.programs.shrink import shrink
from fuzz.programs.stage import Stage
from fuzz.programs.worlds import WORLDS, World

__all__ = [
    "WORLDS",
    "Call",
    "Judge",
    "Judged",
    "Program",
    "ProgramError",
    "Result",
    "Stage",
    "World",
    "decode",
    "encode",
    "ends",
    "from_text",
    "run",
    "seed_inputs",
    "shrink",
]
