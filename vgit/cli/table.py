"""Table: every command, where it is, and the line it has in `vgit --help`.

A command is in the module of its own name; those on volumes as a whole are in
``volumes.py``, and untag is beside tag. The module is imported when the command
runs, so that help, completion and mistakes cost nothing but this table.
"""

from typing import NamedTuple


class CommandEntry(NamedTuple):
    """One command as the table lists it."""

    where: str  # "module:attribute"
    help: str  # the first line of the command's own help


SECTIONS: dict[str, dict[str, CommandEntry]] = {
    "Volumes": {
        "create": CommandEntry("vgit.cli.volumes:create", "Make a volume."),
        "list": CommandEntry("vgit.cli.volumes:list_volumes", "List the volumes, newest first."),
        "info": CommandEntry("vgit.cli.volumes:info", "Show a volume's id, size, newest commit and git directory."),
        "rename": CommandEntry("vgit.cli.volumes:rename", "Give a volume another name; its id stays."),
        "delete": CommandEntry("vgit.cli.volumes:delete", "Delete a volume; undelete brings it back."),
        "undelete": CommandEntry("vgit.cli.volumes:undelete", "Bring back a volume that was deleted."),
    },
    "Files": {
        "ls": CommandEntry("vgit.cli.ls:ls", "List what is in a directory of a volume."),
        "cat": CommandEntry("vgit.cli.cat:cat", "Write a file's bytes to standard output."),
        "get": CommandEntry("vgit.cli.get:get", "Copy a file or a directory of a volume to this machine."),
        "put": CommandEntry(
            "vgit.cli.put:put", "Copy a file or a directory of this machine into a volume, as one commit."
        ),
        "cp": CommandEntry("vgit.cli.cp:cp", "Copy files and directories inside a volume, as one commit."),
        "rm": CommandEntry("vgit.cli.rm:rm", "Remove files and directories from a volume, as one commit."),
    },
    "Mounts": {
        "mount": CommandEntry("vgit.cli.mount:mount", "Make PATH a mount of a volume."),
        "unmount": CommandEntry("vgit.cli.unmount:unmount", "Commit, then take a mount's files and its .vgit away."),
        "mounts": CommandEntry("vgit.cli.mounts:mounts", "List where volumes are mounted, on any machine."),
        "status": CommandEntry("vgit.cli.status:status", "Show what a mount has that is not published."),
        "commit": CommandEntry("vgit.cli.commit:commit", "Publish what a mount has that is not published."),
        "run": CommandEntry(
            "vgit.cli.run:run",
            "Run a command with volumes mounted; commit in the background and at its end, however it ends.",
        ),
        "reload": CommandEntry("vgit.cli.reload:reload", "Bring what others published into a mount."),
    },
    "History": {
        "log": CommandEntry("vgit.cli.log:log", "Show the published states, newest first."),
        "show": CommandEntry("vgit.cli.show:show", "Show one commit and what it changed."),
        "diff": CommandEntry("vgit.cli.diff:diff", "Show what differs from OLD to NEW."),
        "restore": CommandEntry(
            "vgit.cli.restore:restore", "Publish an old state, or some paths of it, as the newest."
        ),
        "tag": CommandEntry("vgit.cli.tag:tag", "Name a revision, or list the names."),
        "untag": CommandEntry("vgit.cli.tag:untag", "Take tags away; their commits stay."),
    },
}

COMMANDS: dict[str, CommandEntry] = {name: listed for section in SECTIONS.values() for name, listed in section.items()}
