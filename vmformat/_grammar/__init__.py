"""Schemas as constructs; `tree` is how to use them."""
