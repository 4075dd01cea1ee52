"""Where schemas come from, and where a user's own are kept; the command is in `fuzz.commands.schema`."""
