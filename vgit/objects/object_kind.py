"""Object kind: git's numbers for what an object is, as pack files have them."""

COMMIT, TREE, BLOB, TAG = 1, 2, 3, 4
OFS_DELTA, REF_DELTA = 6, 7  # of an entry in a pack: the difference to an object before it, to one with an id
DELTAS = (OFS_DELTA, REF_DELTA)

KIND_NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}
KIND_NUMBERS = {name: kind for kind, name in KIND_NAMES.items()}
