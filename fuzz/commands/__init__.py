"""Commands as plain functions; `fuzz.cli` gives them their options."""
