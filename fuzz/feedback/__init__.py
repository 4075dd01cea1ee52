"""What the engine goes by, and what each choice of it finds in as many executions (docs/situations.md)."""

from fuzz.feedback.fed import Watched, fed
from fuzz.feedback.feedback import DEFAULT, Feedback, FeedbackError
from fuzz.feedback.reach import Reach

__all__ = ["DEFAULT", "Feedback", "FeedbackError", "Reach", "Watched", "fed"]
