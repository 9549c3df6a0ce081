"""Joint operation: one answer for an operation on all the mounts that a process has of a volume.

Each mount commits for itself, so the second may fail when the first has
published. Then the others are committed all the same, and the error says which
commits there are: notes for people, and ``published``, the answer of those that
went well, for programs.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain

from vgit.api.convert import commit_info
from vgit.api.mount import Mount
from vgit.api.user_warnings import LeftOutWarning, warn_of_left_out
from vgit.errors import Error
from vgit.ids import short_id
from vgit.paths import format_path, parse_path, printable
from vgit.repository.aftermath import Aftermath
from vgit.types import CommitInfo, LeftOut, ReloadInfo


def commit_all(mounts: Sequence[Mount], message: str | None) -> CommitInfo | None:
    """Commit those of ``mounts`` that can be; None if none had anything to publish."""
    outcome = _Outcome()
    infos: list[CommitInfo] = []
    afters: list[Aftermath] = []
    left_out: list[LeftOut] = []
    here: list[LeftOut] = []
    for mount in mounts:
        if mount.read_only:
            continue
        with outcome.of(mount):
            committed = mount.commit_in_detail(message)
            published, omitted = committed.published, mount.left_out_of(committed)
            left_out += omitted
            here += mount.left_out_here(committed)
            info = commit_info(mount.repository, published, omitted)
            if info is not None and published is not None:
                infos.append(info)
                afters.append(published.after)
                outcome.done.append(published.after.what)
    joint = joined_commits(infos, tuple(left_out))
    error = outcome.error()
    if error is not None:
        vars(error).update(published=joint)
        with suppress(LeftOutWarning):  # where warnings are errors, the other one comes first
            warn_of_left_out(here, joint)
        raise error
    for after in afters:
        after.hand_on()
    warn_of_left_out(here, joint)
    return joint


def reload_all(mounts: Sequence[Mount]) -> ReloadInfo:
    """Reload all of ``mounts``, those that stay at one revision first; none, while files are open in one of them."""
    if len(mounts) > 1:
        for mount in mounts:
            mount.check_open_files()
    outcome = _Outcome()
    infos: list[ReloadInfo] = []
    for mount in sorted(mounts, key=lambda one: one.follows_head):
        with outcome.of(mount):
            info = mount.reload()
            kept = tuple(format_path(mount.sub_path + parse_path(path)) for path in info.kept)
            left_out = tuple(
                replace(one, path=format_path(mount.sub_path + parse_path(one.path))) for one in info.left_out
            )
            infos.append(replace(info, kept=kept, left_out=left_out))
            outcome.done.append(f"{printable(str(mount.path))} is reloaded to {short_id(info.head)}")
    error = outcome.error()
    if error is not None:
        raise error
    return joined_reloads(infos)


class _Outcome:
    """What is done of an operation on some mounts, and what went wrong."""

    def __init__(self) -> None:
        self.done: list[str] = []  # sentences
        self._failed: list[tuple[Mount, Error | OSError]] = []

    @contextmanager
    def of(self, mount: Mount) -> Iterator[None]:
        """Keep the error that ends the block for the end; an interrupt goes on at once, and says what is done."""
        try:
            yield
        except (Error, OSError) as error:
            self._failed.append((mount, error))
        except BaseException as interrupt:
            self._add_notes(interrupt)
            raise

    def error(self) -> Error | OSError | None:
        """Return the first error, with notes of the others and of what is done."""
        if not self._failed:
            return None
        (_, first), *others = self._failed
        self._add_notes(first)
        for mount, error in others:
            first.add_note(f"{printable(str(mount.path))} failed as well: {error}")
        return first

    def _add_notes(self, error: BaseException) -> None:
        for sentence in self.done:
            error.add_note(f"{sentence} all the same.")


def joined_commits(infos: Sequence[CommitInfo], left_out: tuple[LeftOut, ...]) -> CommitInfo | None:
    """Return the last commit with the counts and lists of all of them; None for none."""
    if not infos:
        return None
    return replace(
        infos[-1],
        added=sum(info.added for info in infos),
        changed=sum(info.changed for info in infos),
        removed=sum(info.removed for info in infos),
        touched=sum(info.touched for info in infos),
        bytes_added=sum(info.bytes_added for info in infos),
        overwrote=_all(info.overwrote for info in infos),
        overwrote_count=sum(info.overwrote_count for info in infos),
        unstable=_all(info.unstable for info in infos),
        clock_behind=max(info.clock_behind for info in infos),
        left_out=left_out,
    )


def joined_reloads(infos: Sequence[ReloadInfo]) -> ReloadInfo:
    """Return the last reload with the counts and lists of all of them; there is one at least."""
    kept = dict.fromkeys(chain.from_iterable(info.kept for info in infos))  # two mounts can show one directory
    left_out = dict.fromkeys(chain.from_iterable(info.left_out for info in infos))
    changed = sum(info.changed for info in infos)
    return replace(infos[-1], changed=changed, kept=tuple(kept), left_out=tuple(left_out))


def _all(lists: Iterator[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(chain.from_iterable(lists))
