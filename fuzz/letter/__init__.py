"""A finding as a letter: Markdown for people who never heard of vmfuzz, and the same as values for programs."""

from fuzz.letter.letter import Letter, Part
from fuzz.letter.subject import Subject, subject_of

__all__ = ["Letter", "Part", "Subject", "subject_of"]
