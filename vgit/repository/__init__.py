"""Repository: one volume's store: refs, commits, the merge, and the loop that publishes.

``repository`` makes and opens it and reads commits, ``publish`` brings a new one,
by way of ``merge``; ``aftermath`` is for what comes once that is done. ``ancestry``
walks history, ``tree_view`` looks into a state. ``commit``, ``identity``, ``refs``
and ``config`` are what is stored, beside the trees of tree/.
"""
