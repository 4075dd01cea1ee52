"""What a campaign says: while it runs (`screen`, `words`), at its end (`final`), for programs (`as_json`)."""

from fuzz.report.as_json import campaign_json
from fuzz.report.causes import rank
from fuzz.report.final import final_report
from fuzz.report.words import status_line

__all__ = ["campaign_json", "final_report", "rank", "status_line"]
