"""Edit tree: a writer's edits by path, put together as the tree that a merge goes down."""

from typing import TypeAlias

from vgit.paths import ROOT, Path
from vgit.tree.edits import Edit, Edits, Whole
from vgit.tree.entry import same_content


class EditNode:
    """A path with edits below it: its own edit, if any, and theirs."""

    __slots__ = ("children", "creates", "edit")

    def __init__(self, edit: Edit | None = None) -> None:
        self.edit = edit
        self.children: dict[str, Child] = {}
        self.creates = edit is not None and creates(edit)  # whether something new is to be here, or below


Child: TypeAlias = Edit | EditNode  # a path without edits below it is just its edit


def edit_tree(edits: Edits) -> EditNode:
    """Return the root, with all edits below it."""
    root = EditNode()
    parent: Path = ROOT
    line = [root]  # nodes from the root to parent: edits come in path order, so it is mostly the same again
    for path, edit in edits.items():
        if not path:
            root.edit = edit
            continue
        if path[:-1] != parent:
            parent = path[:-1]
            line = _nodes_to(root, parent)
        line[-1].children[path[-1]] = edit  # what lies below it comes later
        if not line[-1].creates and creates(edit):
            for node in line:
                node.creates = True
    return root


def _nodes_to(root: EditNode, path: Path) -> list[EditNode]:
    line = [root]
    for name in path:
        children = line[-1].children
        child = children.get(name)
        if not isinstance(child, EditNode):
            child = children[name] = EditNode(child)
        line.append(child)
    return line


def unfold(node: EditNode, whole: Whole | None) -> EditNode:
    """Give a node the edits that its own stands for."""
    if whole is not None:
        files: dict[str, Child] = {name: Edit(entry, None) for name, entry in whole.entries().items()}
        node.children = files | node.children
    return node


def creates(edit: Edit) -> bool:
    """Return whether the writer put something there, rather than change the mode or time of what it saw."""
    return edit.new is not None and not same_content(edit.new, edit.seen)
