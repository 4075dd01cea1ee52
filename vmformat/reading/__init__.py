"""The reader: bytes to records, where each ends, what is wrong (see `loop`)."""
