"""Triage: the states of causes in a file that people edit, and what moves them."""
