"""Divergence: where a mount may have something else than the commit that it is at.

A path is *divergent* if what this mount has seen there is not base's version:
others published it meanwhile, or a local change stayed. So a reload looks at
these paths as well as at what differs between base and its target.
"""

from vgit.files.metadata import is_as_seen
from vgit.ids import CommitId
from vgit.mount.scope import Scope
from vgit.paths import Path
from vgit.tree.edits import Edits
from vgit.tree.entry import Entry


def reload_candidates(scope: Scope, base: CommitId, target: CommitId, divergent: set[Path]) -> dict[Path, Entry | None]:
    """Return every path where a mount at ``base`` may differ from ``target``, with the target's entry."""
    candidates = {path: new for path, _, new in scope.differences(base, target)}
    for path in divergent - candidates.keys():
        if path:
            candidates[path] = scope.entry(target, path)
    return candidates


def still_divergent(scope: Scope, divergent: set[Path], edits: Edits, head: CommitId) -> set[Path]:
    """Return those of which a merge left something else at head than what the mount has."""
    if not divergent:
        return divergent
    ours = ((path, edit) for path, edit in edits.unfolded() if path in divergent)
    return divergent - {path for path, edit in ours if is_as_seen(edit.new, scope.entry(head, path))}
