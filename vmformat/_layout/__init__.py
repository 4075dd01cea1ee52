"""Schemas compiled for one version, and payloads read by them; `tree` is how to use them.

A payload is read in two goes. The first only measures: where each piece begins, how many elements a list has, which
subsections are there. Whatever has a fixed size is not looked at. The second, when somebody asks, gives the `values` of
a piece in bulk, or its nodes. So a tree costs what is looked at, and a hostile payload a few bytes for each of its own.

- `Layout` (layout.py): a schema in one version: runs of fields of fixed size, and steps of any other kind.
- `Record` (layout.py): one payload, or struct in it, that a layout has measured; makes nodes and values.
- fixed.py: fields of fixed size, and `Run`, neighbours among them that are read and written in one go.
- steps.py: what varies: counted arrays, strings, structs that hold such; lists.py: elements; subsections.py.
- scope.py: names that counts and conditions refer to; errors that find their path on the way up.
"""
