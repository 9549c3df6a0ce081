"""Git mode: what a git tree says that each of its entries is; there are these and no others."""

TREE_MODE = 0o040000
FILE_MODE = 0o100644
EXECUTABLE_MODE = 0o100755
SYMLINK_MODE = 0o120000
GITLINK_MODE = 0o160000  # a commit of another repository, a submodule

# As a tree has them: octal, no leading zero.
TREE_TEXT, FILE_TEXT, EXECUTABLE_TEXT, SYMLINK_TEXT, GITLINK_TEXT = (
    b"%o" % mode for mode in (TREE_MODE, FILE_MODE, EXECUTABLE_MODE, SYMLINK_MODE, GITLINK_MODE)
)
OLD_FILE_TEXT = b"100664"  # git wrote it in its first months, and still reads it as an ordinary file

MODES = {
    TREE_TEXT: TREE_MODE,
    FILE_TEXT: FILE_MODE,
    EXECUTABLE_TEXT: EXECUTABLE_MODE,
    SYMLINK_TEXT: SYMLINK_MODE,
    GITLINK_TEXT: GITLINK_MODE,
    OLD_FILE_TEXT: FILE_MODE,
}
