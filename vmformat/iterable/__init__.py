"""Sections that are sent while the guest runs on: rows of records instead of a schema."""
