"""Policy: what the caller of an operation decides for files that are in its way."""

import enum


class LocalChanges(enum.Enum):
    """What becomes of local changes in a reload."""

    KEEP = "keep"
    DISCARD = "discard"
    ADOPT = "adopt"  # kept; but where content is head's already, other modes and times are no change


class UnstableFiles(enum.Enum):
    """What becomes of a file that is being written while a commit reads it."""

    STORE = "store"  # as read, and named: an explicit commit, or the last one
    HOLD_BACK = "hold back"  # at its published version: a commit in the background
