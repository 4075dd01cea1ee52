"""What differs between two streams: by field, not by offset.

    for difference in diff(one, other): ...

`diff` finds the differences, `Selector` chooses among them, `lines` and `to_json` show them.
"""

from vmformat.diff.difference import Difference
from vmformat.diff.select import Selector
from vmformat.diff.streams import diff
from vmformat.diff.words import lines, summary, to_json

__all__ = ["Difference", "Selector", "diff", "lines", "summary", "to_json"]
