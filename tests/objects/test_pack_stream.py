"""Pack stream: large packs come out the same whether or not their hash ran along, and whoever wrote them."""

from pathlib import Path

import pytest

from tests import gitjudge
from tests.objects.repositories import blob_id, noise, open_store, packs, stock_object, text
from vgit.backend.memory import MemoryBackend
from vgit.errors import BackendUnavailableError
from vgit.ids import SHA1, BlobId
from vgit.objects import pack_sequence, pack_stream
from vgit.objects.pack_writer import PackWriter
from vgit.runtime.buffer import Buffer

BLOBS = [noise(1 << 20, seed) for seed in range(14)]
SMALL = [noise(3000, 100 + seed) for seed in range(8)]


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    return gitjudge.init_bare(tmp_path / "a.git")


class Reads:
    """A count of the bytes that are read back from staged files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.size_bytes = 0
        original = pack_stream.PackStream._hashed_anew

        def counted(stream: pack_stream.PackStream, header: bytes) -> object:
            self.size_bytes += stream._staged.size_bytes
            return original(stream, header)

        monkeypatch.setattr(pack_stream.PackStream, "_hashed_anew", counted)


def add_all(pack: PackWriter, blobs: list[bytes]) -> None:
    for data in blobs:
        pack.add_later(blob_id(data), data)
    job = pack.send()
    if job is not None:
        job.result()


@pytest.mark.parametrize("promised", [None, 5, 21, 22, 23, 400])
def test_a_promise_changes_no_byte(promised: int | None) -> None:
    names = []
    for count in (None, promised):
        pack = PackWriter(MemoryBackend(), SHA1)
        if count is not None:
            pack.promise(count)
        add_all(pack, BLOBS)
        add_all(pack, SMALL)
        assert pack.is_full == (count == len(BLOBS + SMALL))
        names.append(pack.finish().key)
        pack.discard()
    assert names[0] == names[1]


def test_a_promise_that_is_kept_saves_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = Reads(monkeypatch)
    pack = PackWriter(MemoryBackend(), SHA1)
    pack.promise(len(BLOBS + SMALL))
    add_all(pack, BLOBS + SMALL)
    size = pack.finish().size_bytes
    assert size > 14 << 20 and reads.size_bytes < 100


def test_a_promise_may_come_when_the_pack_is_staged(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = Reads(monkeypatch)
    late, plain = PackWriter(MemoryBackend(), SHA1), PackWriter(MemoryBackend(), SHA1)
    add_all(late, BLOBS[:10])
    late.promise(len(BLOBS))
    before = reads.size_bytes
    add_all(late, BLOBS[10:])
    key = late.finish().key
    assert 9 << 20 < before == reads.size_bytes
    add_all(plain, BLOBS)
    assert key == plain.finish().key


def test_packs_are_closed_as_promised(git_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_sequence, "_WORTH_A_PROMISE", 4 << 20)
    reads = Reads(monkeypatch)
    store = open_store(git_dir)
    buffers: list[tuple[BlobId, Buffer]] = [(blob_id(data), bytearray(data)) for data in BLOBS + SMALL]
    with store.writer() as transaction:
        transaction.expect(14 << 20, 1 << 20)
        for job in transaction.write_hashed_blobs(buffers):
            job.result()
        for _, data in buffers:
            memoryview(data)[:] = bytes(len(data))  # type: ignore[index]
        transaction.sync()
    assert len(packs(git_dir)) == 2
    assert reads.size_bytes < 100
    for data in BLOBS + SMALL:
        assert stock_object(git_dir, blob_id(data)) == (b"blob", data)
    gitjudge.run(git_dir, "fsck", "--full", "--strict")


def test_chunks_that_shrink_again_are_found_soon() -> None:
    pack = PackWriter(MemoryBackend(), SHA1)
    blobs = [noise(1 << 16, seed) for seed in range(200)] + [text(1 << 16, seed) for seed in range(40)]
    add_all(pack, blobs)
    stored = pack.finish().size_bytes - (200 << 16)
    assert stored < 8 << 16


def test_an_error_in_the_thread_comes_out_and_the_pack_never_gets_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = MemoryBackend()
    pack = PackWriter(backend, SHA1)
    add_all(pack, BLOBS[:10])

    def full(*_: object) -> None:
        raise BackendUnavailableError("disk full")

    assert pack.staged is not None
    monkeypatch.setattr(type(pack.staged), "write", full)
    pack.add_later(blob_id(BLOBS[10]), BLOBS[10])
    job = pack.send()
    assert job is not None
    with pytest.raises(BackendUnavailableError, match="disk full"):
        job.result()
    with pytest.raises(BackendUnavailableError, match="disk full"):
        pack.finish()
    monkeypatch.undo()
    with pytest.raises(BackendUnavailableError, match="a write before failed"):
        pack.finish()
    pack.discard()
    assert list(backend.list("")) == []
