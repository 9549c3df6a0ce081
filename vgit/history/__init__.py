"""History: what a volume was, how two of its states differ, and how to get one back.

``revision`` finds the commit that a text names, ``log`` walks the published
states, ``file_changes`` compares two, ``restore`` publishes an old one again, and
``tags`` keeps names for them. All read the first-parent line: a commit's first
parent is the state that was published before it.
"""
