"""Test_errors: the tree is the one drawn, and each error is also the builtin that callers catch."""

import pickle
import re
from inspect import isclass

import pytest

from vgit import errors

# What callers of vgit may rely on: class → (its parent in the tree, the builtin it also is).
TREE: dict[str, tuple[str | None, type[BaseException] | None]] = {
    "Error": (None, None),
    "NotFoundError": ("Error", FileNotFoundError),
    "AlreadyExistsError": ("Error", FileExistsError),
    "InvalidError": ("Error", ValueError),
    "ConflictError": ("InvalidError", None),
    "IsADirectoryConflict": ("ConflictError", IsADirectoryError),
    "NotADirectoryConflict": ("ConflictError", NotADirectoryError),
    "ReadOnlyError": ("InvalidError", PermissionError),
    "FilesOpenError": ("Error", RuntimeError),
    "NotMountedError": ("Error", RuntimeError),
    "LockedError": ("Error", RuntimeError),
    "CorruptObjectError": ("Error", None),
    "CorruptVolumeError": ("CorruptObjectError", None),
    "BackendUnavailableError": ("Error", ConnectionError),
}
CLASSES = {name: value for name, value in vars(errors).items() if isclass(value)}

_LINE = re.compile(r" {4}(?P<branch>(?:[│├└ ][─ ]{2} )*)(?P<name>\w+) *(?:\((?P<builtin>\w+)\))?")


def drawn_tree() -> dict[str, tuple[str | None, str | None]]:
    """Return what the docstring draws: class → (parent, builtin)."""
    assert errors.__doc__ is not None
    drawn: dict[str, tuple[str | None, str | None]] = {}
    line_of_parents: list[str] = []
    for line in errors.__doc__.splitlines():
        match = _LINE.match(line)
        if match:
            depth = len(match["branch"]) // 4
            del line_of_parents[depth:]
            drawn[match["name"]] = (line_of_parents[-1] if line_of_parents else None, match["builtin"])
            line_of_parents.append(match["name"])
    return drawn


def test_the_classes_are_those_promised() -> None:
    assert set(CLASSES) == set(TREE)
    for name, (parent, builtin) in TREE.items():
        expected = tuple(base for base in (CLASSES[parent] if parent else Exception, builtin) if base is not None)
        assert CLASSES[name].__bases__ == expected, name


def test_the_docstring_draws_the_classes() -> None:
    assert drawn_tree() == {
        name: (parent, builtin.__name__ if builtin else None) for name, (parent, builtin) in TREE.items()
    }


@pytest.mark.parametrize("name", TREE)
def test_the_message_is_what_was_said(name: str) -> None:
    error = CLASSES[name]("seen 'x', expected 100% of 'y'")
    assert str(error) == "seen 'x', expected 100% of 'y'"
    assert error.args == ("seen 'x', expected 100% of 'y'",)


@pytest.mark.parametrize("name", TREE)
def test_an_error_survives_pickling(name: str) -> None:
    error = pickle.loads(pickle.dumps(CLASSES[name]("message")))
    assert type(error) is CLASSES[name]
    assert str(error) == "message"
    if isinstance(error, OSError):
        assert error.errno is None  # nothing was asked of the kernel


@pytest.mark.parametrize("name", TREE)
def test_an_error_is_documented(name: str) -> None:
    assert CLASSES[name].__doc__
