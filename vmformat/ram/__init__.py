"""The ram section: what its records are, how they are walked, what is in their pages (facts: stream.md 4)."""
