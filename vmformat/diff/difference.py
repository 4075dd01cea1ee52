"""One difference between two streams, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from vmformat.command import Command
    from vmformat.configuration import Configuration
    from vmformat.node import Leafs
    from vmformat.paths import Place
    from vmformat.records import Gap
    from vmformat.section import Section

Kind: TypeAlias = Literal["header", "configuration", "record", "head", "field", "ram", "vmdescription", "bytes"]
What: TypeAlias = Literal["changed", "added", "dropped", "moved"]
Subject: TypeAlias = "Section | Command | Configuration | Gap"


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not the same.

    - `kind`: header, configuration, record (whole ones), head (of a record), field, ram (pages), vmdescription, bytes
      (behind the stream's end). `what`: changed, added (only the second stream has it), dropped, moved.
    - `record`: the record's name, `@` and instance if that is not 0; `path`: the field, "" for the whole record.
    - `old`, `new`: values, None where there is none; `type`: the schema's type, `a -> b` if it is another one.
    - `text`: more, in words.
    - `place`, `subject`: where the record stands in the first stream that has it, and the record.
    """

    kind: Kind
    what: What
    record: str
    path: str = ""
    old: Leafs | str | None = None
    new: Leafs | str | None = None
    type: str = ""
    text: str = ""
    place: Place | None = None
    subject: Subject | None = None
