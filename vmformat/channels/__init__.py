"""What goes beside a stream: the return path, multifd channels, COLO checkpoints (facts: stream.md 1.9-1.11)."""
