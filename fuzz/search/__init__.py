"""Searches for seeded bugs in several ways, held against each other: `vmfuzz bench --search` (docs/search.md)."""
