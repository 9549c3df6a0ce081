"""Test_local_tree: a directory that is put is the same as a mount of it that is committed, whatever is in it."""

import os
import stat
import tempfile
from pathlib import Path as FilePath

from hypothesis import given, settings

import vgit
from tests.gitjudge import fsck
from tests.history.states import Node, State, drop_state_names, file, states
from tests.transfer.uploads import contents, new_volume, put_all, tree, write_local

AUTHOR = "Test <test@example.org>"


def write_state(where: bytes, state: State) -> None:
    """Make ``state`` on disk, as far as a file system can hold it."""
    for name, node in state.items():
        raw = name.encode("utf-8", "surrogateescape")
        if len(raw) > 255 or not raw:
            continue
        path = where + b"/" + raw
        if isinstance(node.data, dict):
            os.mkdir(path)
            write_state(path, node.data)
        elif node.data is None:
            os.mkfifo(path)
        elif stat.S_ISLNK(node.mode):
            os.symlink(node.data, path)
        else:
            with open(path, "wb") as made:
                made.write(node.data)
        _dress(path, node)


def _dress(path: bytes, node: Node) -> None:
    if not stat.S_ISLNK(node.mode):
        os.chmod(path, stat.S_IMODE(node.mode) | 0o400)
    os.utime(path, ns=(node.mtime_ns, node.mtime_ns), follow_symlinks=False)


@given(states)
@settings(max_examples=60)
def test_a_put_and_a_mount_give_the_same_tree(state: State) -> None:
    with tempfile.TemporaryDirectory() as base:
        client = vgit.Client(os.path.join(base, "store"), author=AUTHOR)
        mounted = vgit.Volume.from_name("mounted", create_if_missing=True, client=client)
        uploaded = vgit.Volume.from_name("uploaded", create_if_missing=True, client=client)
        local = os.path.join(base, "local")
        os.mkdir(local, 0o755)
        drop_state_names(state)
        write_state(os.fsencode(local), state)
        with uploaded.batch_upload() as batch:
            batch.put_directory(local, "/")
        with mounted.mount(local, adopt=True), uploaded.batch_upload(force=True) as again:
            mounted.commit()
            again.put_directory(local, "/")  # without the mount's own .vgit
        assert again.commit is None
        assert (batch.commit is None) == (not os.listdir(local) or os.listdir(local) == [".vgit"])
        assert next(uploaded.log()).tree == next(mounted.log()).tree
        fsck(uploaded.git_dir)


def test_files_of_every_size_are_the_same_too(tmp_path: FilePath) -> None:
    sizes = [0, 1, 511, 512, 16385, 1 << 20, (1 << 20) + 1, 4 << 20, (4 << 20) + 1, 7 << 20]
    state = {str(size): file(os.urandom(size), mtime_ns=size) for size in sizes}
    local = tmp_path / "local"
    local.mkdir()
    write_state(os.fsencode(local), state)
    client = vgit.Client(tmp_path / "store", author=AUTHOR)
    mounted = vgit.Volume.from_name("mounted", create_if_missing=True, client=client)
    uploaded = vgit.Volume.from_name("uploaded", create_if_missing=True, client=client)
    with uploaded.batch_upload() as batch:
        batch.put_directory(local, "/")
    with mounted.mount(local, adopt=True):
        mounted.commit()
    assert batch.commit is not None and batch.commit.tree == next(mounted.log()).tree


def test_the_state_of_a_mount_inside_is_left_out_and_whatever_is_called_so(tmp_path: FilePath) -> None:
    client = vgit.Client(tmp_path / "store", author=AUTHOR)
    volume = vgit.Volume.from_name("x", create_if_missing=True, client=client)
    local = write_local(tmp_path / "local", {"f": b"1", "other/.vgit": b"not a mount's"})
    repository = new_volume()
    with volume.mount(local / "data") as path:
        (path / "g").write_bytes(b"2")
        put_all(repository, tree(local, "/"))
    assert contents(repository) == {"f": b"1", "data/g": b"2"}
