"""Crash_cases: die at every step of a commit or reload, and see what the next operations make of it.

Run as a program, because each case forks, which a threaded test runner must
not: ``python -m tests.mount.crash_cases commit DIRECTORY [SUB_PATH]``. A step is every
call that changes the file system or the state database, as Python's audit
events and our own renames tell; the child ends there as ``kill -9`` would.
"""

import mmap
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path as FilePath

from tests.gitjudge import fsck
from tests.mount.conftest import AUTHOR, Bench, listing
from tests.mount.mounting import mounted
from vgit.errors import InvalidError
from vgit.mount import stat_cache, swap
from vgit.mount.layout import is_half_unmounted
from vgit.mount.lease import list_leases
from vgit.mount.open import reopen_to_unmount, unbind
from vgit.mount.working_directory import WorkingDirectory
from vgit.paths import ROOT, Path, parse_path

_STEPS = {
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "os.chmod",
    "os.utime",
    "os.symlink",
    "os.link",
    "os.truncate",
    "os.ftruncate",
    "fcntl.flock",
    "vgit.step",
}
# Steps that Python has no audit event for: a call that is moved out of its seam must not be left out unnoticed.
_SEAMS: tuple[tuple[object, str], ...] = (
    (swap, "exchange"),
    (swap, "rename_noreplace"),
    (stat_cache.StatCache, "transaction"),
)
_SWAP_SEAMS = {"exchange", "rename_noreplace"}
_passed = mmap.mmap(-1, len(_SEAMS))  # by any child; shared with them
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_DIED = 9


def put(mount: WorkingDirectory, name: str, content: str) -> None:
    path = FilePath(mount.path, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def closed(mount: WorkingDirectory, content: str) -> None:
    """Change what is in directories that their owner may not change."""
    top = FilePath(mount.path, "closed")
    for mode in (0o755, 0o555):
        if top.exists():
            top.chmod(mode)
        if mode == 0o755:
            put(mount, "closed/f", content)
            put(mount, f"closed/{content}", content)
            for name in {"old", "new"} - {content}:
                FilePath(top, name).unlink(missing_ok=True)


def dies_at(step: int, action: Callable[[], object]) -> bool:
    """Run ``action`` in a child that dies before its ``step``-th step; say whether it got so far."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _arm(step)
            action()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, _DIED), f"the child failed at step {step} by itself"
    return code == _DIED


def _arm(step: int) -> None:
    left = step

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in _STEPS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING):
            left -= 1
            if left == 0:
                os._exit(_DIED)

    for seam, (owner, name) in enumerate(_SEAMS):
        setattr(owner, name, _announced(getattr(owner, name), seam))
    sys.addaudithook(count)


def _announced(function: Callable[..., object], seam: int) -> Callable[..., object]:
    def call(*arguments: object, **options: object) -> object:
        _passed[seam] = 1
        sys.audit("vgit.step")
        return function(*arguments, **options)

    return call


def commit_dies_at(base: FilePath, step: int, part: Path) -> bool:
    """A's commit dies; B then publishes newer versions of the same paths; A commits again."""
    bench = Bench(base, part)
    a, b = bench.mount("a"), bench.mount("b")
    put(a, "f", "first")
    put(a, "gone", "first")
    put(a, "d/x", "first")
    put(a, "hidden/f", "first")
    a.commit(AUTHOR)
    b.reload()
    put(a, "f", "of a")
    put(a, "hidden/f", "of a")
    os.chmod(FilePath(a.path, "hidden"), 0o311)
    put(a, "new", "of a")
    os.unlink(FilePath(a.path, "gone"))
    shutil.rmtree(FilePath(a.path, "d"))
    a.close()

    def action() -> None:
        bench.mount("a").commit(AUTHOR)

    died = dies_at(step, action)
    fsck(bench.git_dir)
    published = "new" in bench.published()
    again = bench.mount_as_it_is("a")
    b.reload()
    put(b, "f", "newer, of b")
    put(b, "gone", "newer, of b")
    b.commit(AUTHOR)
    again.commit(AUTHOR)
    head = bench.published()
    assert {"new", "f"} <= set(head) and "d/x" not in head and "d" not in head
    assert head["hidden"].mode & 0o777 == 0o311 == os.stat(FilePath(a.path, "hidden")).st_mode & 0o777
    b.reload()
    if published:
        assert FilePath(b.path, "f").read_text() == "newer, of b", "a published commit was published again"
        assert FilePath(b.path, "gone").read_text() == "newer, of b", "a published removal was published again"
    else:
        assert FilePath(b.path, "f").read_text() == "of a"
        assert "gone" not in head
    again.reload()
    assert listing(again.path) == listing(b.path)
    bench.close()
    return died


def reload_dies_at(base: FilePath, step: int, part: Path) -> bool:
    """B's reload dies; nothing of B's own is lost, nothing of A's is taken back, and the next reload ends it."""
    bench = Bench(base, part)
    a, b = bench.mount("a"), bench.mount("b")
    for name in ("changed", "gone", "local", "file to directory", "directory to file/in", "deep/er/x", "mode"):
        put(a, name, "old")
    closed(a, "old")
    a.commit(AUTHOR)
    b.reload()
    put(a, "changed", "new")
    closed(a, "new")
    put(a, "added/here", "new")
    put(a, "local", "new, of a")
    put(a, "deep/er/y", "new")
    os.chmod(FilePath(a.path, "mode"), 0o600)
    for name in ("gone", "file to directory"):
        os.unlink(FilePath(a.path, name))
    put(a, "file to directory/in", "new")
    shutil.rmtree(FilePath(a.path, "directory to file"))
    put(a, "directory to file", "new")
    a.commit(AUTHOR)
    head = bench.published()
    put(b, "local", "of b, not committed")
    before = listing(b.path)
    b.close()

    def action() -> None:
        bench.mount_as_it_is("b").reload()

    died = dies_at(step, action)
    target = listing(a.path)
    again = bench.mount_as_it_is("b")
    for path, what in listing(again.path).items():
        if path == "local":
            assert what == before[path]
        elif what[3] is not None:
            whole = [state[path][3] for state in (before, target) if path in state]
            assert what[3] in whole, f"{path} holds {what[3]!r}, neither old nor new"
    again.commit(AUTHOR)
    assert os.stat(FilePath(b.path, "closed")).st_mode & 0o777 == 0o555
    after = bench.published()
    changed = {path for path in head.keys() | after.keys() if _content(head.get(path)) != _content(after.get(path))}
    assert changed == {"local"}, f"a commit after the crash published {changed}"
    assert all(head[path].mode == after[path].mode for path in head), "a mode was published that nobody set"
    again.reload()
    a.reload()
    assert listing(again.path) == listing(a.path)
    assert FilePath(a.path, "local").read_text() == "of b, not committed"
    assert not os.listdir(FilePath(again.path, ".vgit/displaced"))
    bench.close()
    return died


def inside_dies_at(base: FilePath, step: int, part: Path) -> bool:
    """B's reload dies while it brings files into another file system that is mounted in B."""
    bench = Bench(base, part)
    a, b = bench.mount("a"), bench.mount("b")
    cache = FilePath(b.path, "cache")
    cache.mkdir()
    with mounted(cache, "bind", base / "elsewhere"):
        for name in ("cache/changed", "cache/gone", "cache/local"):
            put(a, name, "old")
        a.commit(AUTHOR)
        b.reload()
        put(a, "cache/changed", "new")
        put(a, "cache/local", "new, of a")
        put(a, "cache/in/added", "new")
        FilePath(a.path, "cache/gone").unlink()
        a.commit(AUTHOR)
        head = bench.published()
        put(b, "cache/local", "of b, not committed")
        b.close()
        died = dies_at(step, lambda: bench.mount_as_it_is("b").reload())
        again = bench.mount_as_it_is("b")
        again.commit(AUTHOR)
        after = bench.published()
        changed = {name for name in head.keys() | after.keys() if _content(head.get(name)) != _content(after.get(name))}
        assert changed == {"cache/local"}, f"a commit after the crash published {changed}"
        again.reload()
        a.reload()
        assert listing(again.path) == listing(a.path)
        assert FilePath(a.path, "cache/local").read_text() == "of b, not committed"
        assert not again.status().left_out
        bench.close()
    return died


def checkout_dies_at(base: FilePath, step: int, part: Path) -> bool:
    """A first checkout dies, and head moves; mounting again finishes it, and nothing of it counts as a change."""
    bench = Bench(base, part)
    a = bench.mount("a")
    for name in ("one", "d/two", "d/e/three"):
        put(a, name, name)
    os.symlink("one", FilePath(a.path, "link"))
    os.chmod(FilePath(a.path, "d"), 0o555)
    a.commit(AUTHOR)

    def action() -> None:
        bench.mount("b")

    died = dies_at(step, action)
    put(a, "one", "newer")
    os.unlink(FilePath(a.path, "d/e/three"))
    a.commit(AUTHOR)
    head = bench.published()
    again = bench.mount("b")
    assert listing(again.path) == listing(a.path)
    assert again.commit(AUTHOR).published is None
    assert bench.published() == head
    bench.close()
    return died


def unmount_dies_at(base: FilePath, step: int, part: Path) -> bool:
    """An unmount dies; mounting there works or says what to do, and unmounting again ends it."""
    bench = Bench(base, part)
    a = bench.mount("a")
    for name in ("one", "closed/two"):
        put(a, name, name)
    os.chmod(FilePath(a.path, "closed"), 0o555)
    a.commit(AUTHOR)
    head = bench.published()
    a.close()
    path = FilePath(a.path)

    def action() -> None:
        unbind(bench.mount_as_it_is("a"), remove_files=True)

    died = dies_at(step, action)
    assert all(file.read_text() == head_text(path, file) for file in path.rglob("*") if in_the_mount(path, file))
    if path.exists() and is_half_unmounted(str(path)):
        for refused in (lambda: bench.mount("a"), lambda: bench.mount("a", adopt=True)):
            try:
                refused()
            except InvalidError as error:
                assert f"`vgit unmount {path}` finishes it" in str(error)
            else:
                raise AssertionError("what an unmount left was mounted")
        put(a, "after", "put there since")  # it is no mount any more, and this is not in the volume
        repository = bench.repository()
        assert not unbind(reopen_to_unmount(str(path), repository, repository.clock), remove_files=True)
        assert os.listdir(path) == ["after"]
        os.unlink(path / "after")
    elif (path / ".vgit").exists():
        bench.mount("a").close()
        unbind(bench.mount_as_it_is("a"), remove_files=True)
    assert os.listdir(path) == [] and list_leases(bench.repository()) == []
    assert bench.published() == head
    assert bench.mount("a").commit(AUTHOR).published is None
    bench.close()
    return died


def in_the_mount(root: FilePath, file: FilePath) -> bool:
    return file.is_file() and ".vgit" not in file.relative_to(root).parts


def head_text(root: FilePath, file: FilePath) -> str:
    return str(file.relative_to(root))


def _content(entry: object) -> object:
    return None if entry is None else (entry.kind, entry.hash)  # type: ignore[attr-defined]


CASES = {
    "inside": inside_dies_at,
    "commit": commit_dies_at,
    "reload": reload_dies_at,
    "checkout": checkout_dies_at,
    "unmount": unmount_dies_at,
}


def main() -> None:
    case, base = CASES[sys.argv[1]], FilePath(sys.argv[2])
    part = parse_path(sys.argv[3]) if len(sys.argv) > 3 else ROOT
    step = 1
    while case(base / f"{step}", step, part):
        shutil.rmtree(base / f"{step}", ignore_errors=True)
        step += 1
    passed = {name for (_, name), seen in zip(_SEAMS, _passed, strict=True) if seen != b"\0"}
    expected = {"transaction"} | (_SWAP_SEAMS if case in (reload_dies_at, inside_dies_at) else set())
    assert passed == expected, f"the steps of {expected ^ passed} were not seen, or not expected"
    print(f"{sys.argv[1]}: died at each of {step - 1} steps")


if __name__ == "__main__":
    main()
