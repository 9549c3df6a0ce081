"""Mount: an ordinary working directory bound to a volume, with its state in ``.vgit/``.

``working_directory`` is one mount and its operations in their order: ``scan`` finds
what changed, ``changes`` reads it, ``mount_commit`` publishes it; ``plan`` decides
what a reload does at each path, ``reload`` does it; ``recovery`` settles what was
cut off. ``stat_cache`` is what the mount remembers.
"""
