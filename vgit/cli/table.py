"""Table: every command, where it is, and the line it has in `vgit --help`.

A command's module is imported when the command runs, so that help, completion
and mistakes cost nothing but this table.
"""

from typing import NamedTuple


class Listed(NamedTuple):
    """One command as the table lists it."""

    where: str  # "module:attribute"
    help: str  # the first line of the command's own help


SECTIONS: dict[str, dict[str, Listed]] = {
    "Volumes": {
        "create": Listed("vgit.cli.volumes:create", "Make a volume."),
        "list": Listed("vgit.cli.volumes:list_volumes", "List the volumes, newest first."),
        "info": Listed("vgit.cli.volumes:info", "Show a volume's id, size, newest commit and git directory."),
        "rename": Listed("vgit.cli.volumes:rename", "Give a volume another name; its id stays."),
        "delete": Listed("vgit.cli.volumes:delete", "Delete a volume; undelete brings it back."),
        "undelete": Listed("vgit.cli.volumes:undelete", "Bring back a volume that was deleted."),
    },
    "Files": {
        "ls": Listed("vgit.cli.files:ls", "List what is in a directory of a volume."),
        "cat": Listed("vgit.cli.files:cat", "Write a file's bytes to standard output."),
        "get": Listed("vgit.cli.get:get", "Copy a file or a directory of a volume to this machine."),
        "put": Listed("vgit.cli.put:put", "Copy a file or a directory of this machine into a volume, as one commit."),
        "cp": Listed("vgit.cli.copying:cp", "Copy files and directories inside a volume, as one commit."),
        "rm": Listed("vgit.cli.copying:rm", "Remove files and directories from a volume, as one commit."),
    },
    "Mounts": {
        "mount": Listed("vgit.cli.mounts:mount", "Make PATH a mount of a volume."),
        "unmount": Listed("vgit.cli.mounts:unmount", "Commit, then take a mount's files and its .vgit away."),
        "mounts": Listed("vgit.cli.mounts:mounts", "List where volumes are mounted, on any machine."),
        "status": Listed("vgit.cli.working:status", "Show what a mount has that is not published."),
        "commit": Listed("vgit.cli.working:commit", "Publish what a mount has that is not published."),
        "run": Listed(
            "vgit.cli.run:run",
            "Run a command with volumes mounted; commit in the background and at its end, however it ends.",
        ),
        "reload": Listed("vgit.cli.working:reload", "Bring what others published into a mount."),
    },
    "History": {
        "log": Listed("vgit.cli.log:log", "Show the published states, newest first."),
        "show": Listed("vgit.cli.log:show", "Show one commit and what it changed."),
        "diff": Listed("vgit.cli.diff:diff", "Show what differs from OLD to NEW."),
        "restore": Listed("vgit.cli.restore:restore", "Publish an old state, or some paths of it, as the newest."),
        "tag": Listed("vgit.cli.tags:tag", "Name a revision, or list the names."),
        "untag": Listed("vgit.cli.tags:untag", "Take tags away; their commits stay."),
    },
}

COMMANDS: dict[str, Listed] = {name: listed for section in SECTIONS.values() for name, listed in section.items()}
