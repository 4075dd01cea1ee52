"""Of many inputs the fewest and smallest that show all that the many show.

Nothing is imported here: a measuring process (`measurer`) puts its probes in place before the model is imported.
"""
