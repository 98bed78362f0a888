"""Annotation formats: one file is one format. `detect(root, files)` says in a word whether it is there, `read_<format>` reads it."""
