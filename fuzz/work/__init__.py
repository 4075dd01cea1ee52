"""The processes of a campaign: a supervisor, and workers, each with the engine in it.

Nothing is imported here: a worker puts its probes in place before the model is imported.
"""
