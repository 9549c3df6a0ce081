"""Trees: directories as git trees, each with a record of what git cannot hold.

``entry`` is what a name stands for, ``directory`` reads one directory and
finds entries, ``directory_writer`` writes one, ``diff`` compares two trees,
``edits`` holds what a writer changed, ``change_kind`` how a path differs.
``directory_record``, ``stored_name`` and ``escape`` are the format: docs/format/directory.md
and docs/format/names.md.
"""
