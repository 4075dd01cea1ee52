"""Which differences a pattern means (patterns: `vmformat.paths`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from vmformat import paths
from vmformat.command import Command
from vmformat.configuration import Configuration
from vmformat.section import Section

if TYPE_CHECKING:
    from vmformat.diff.difference import Difference

_NAME_ENDS: Final = re.compile(r"[.\[@]|$")


class Selector:
    """A pattern; `RECORD` means all of a record, `RECORD/FIELD` what is at that path or inside of it.

    What is no record is called `header`, `ram`, `VMDESCRIPTION`, `bytes`. Raises StreamError for a pattern that cannot
    be one.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        cuts = [i for i, char in enumerate(text) if char == "/"]
        self._halves: list[tuple[str, paths.FieldPattern | None]] = [
            (text[:cut], paths.FieldPattern(text[cut + 1 :])) for cut in cuts if text[cut + 1 :]
        ]
        self._halves.append((text, None))

    def matches(self, difference: Difference) -> bool:
        """Whether the pattern means that difference."""
        return any(
            _is_record(record, difference) and (field is None or _is_inside(field, difference.path))
            for record, field in self._halves
        )


def _is_record(pattern: str, difference: Difference) -> bool:
    subject = difference.subject
    if isinstance(subject, Section | Command | Configuration):
        return paths.fits(pattern, difference.place or (), subject)
    return re.fullmatch(paths.glob(pattern), difference.record, re.DOTALL) is not None


def _is_inside(field: paths.FieldPattern, path: str) -> bool:
    """Whether a pattern means a path or what is around it."""
    return any(field.matches(path[: end.start()]) for end in _NAME_ENDS.finditer(path) if end.start())
