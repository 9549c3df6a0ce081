"""Test_model: whatever is done to the local backend, it answers as the memory backend does."""

import shutil
import tempfile
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from vgit.backend import Backend
from vgit.backend.local import LocalBackend
from vgit.backend.memory import MemoryBackend
from vgit.errors import Error

KEYS = st.sampled_from(["a", "a/b", "a/b/c", "a-b", "objects/pack/1.pack", "objects/pack/1.idx", "x.lock"])
VALUES = st.sampled_from([0, 1, 2, 70_000]).map(lambda size: b"x" * size)
NUMBERS = st.integers(0, 5)


def answer(act: Callable[[Backend], object], backend: Backend) -> object:
    try:
        return act(backend)
    except Error as error:
        return type(error)


class SameAnswers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.path = tempfile.mkdtemp()
        self.local = LocalBackend(self.path)
        self.memory = MemoryBackend()

    def same(self, act: Callable[[Backend], object]) -> None:
        assert answer(act, self.local) == answer(act, self.memory)

    @rule(key=KEYS, value=VALUES)
    def put(self, key: str, value: bytes) -> None:
        self.same(lambda backend: backend.put(key, value))

    @rule(key=KEYS, value=VALUES, expected=st.none() | VALUES)
    def put_if(self, key: str, value: bytes, expected: bytes | None) -> None:
        self.same(lambda backend: backend.put_if(key, value, expected))

    @rule(key=KEYS)
    def mark(self, key: str) -> None:
        self.same(lambda backend: backend.mark(key) is None)

    @rule(key=KEYS)
    def touch(self, key: str) -> None:
        self.same(lambda backend: backend.touch(key))

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.same(lambda backend: backend.delete(key))

    @rule(key=KEYS, start=NUMBERS, length=st.none() | NUMBERS)
    def get(self, key: str, start: int, length: int | None) -> None:
        self.same(lambda backend: backend.get(key, start, length))
        self.same(lambda backend: bytes(backend.view(key)))

    @rule(key=KEYS, start=NUMBERS, sizes=st.lists(NUMBERS, max_size=4))
    def get_into(self, key: str, start: int, sizes: list[int]) -> None:
        def act(backend: Backend) -> object:
            buffers = [bytearray(size) for size in sizes]
            return backend.get_into(key, start, buffers), buffers

        self.same(act)

    @rule(key=KEYS, parts=st.lists(VALUES, max_size=3), patch=st.none() | NUMBERS)
    def stage(self, key: str, parts: list[bytes], patch: int | None) -> None:
        def act(backend: Backend) -> object:
            with backend.stage() as staged:
                staged.write(parts)
                if patch is not None:
                    staged.patch(patch, b"patch")
                read = staged.read(1, 7)
                staged.rename(key)
            return read, staged.size_bytes

        self.same(act)

    @rule(prefix=KEYS | st.sampled_from(["", "a/", "obj"]))
    def listing(self, prefix: str) -> None:
        self.same(lambda backend: [(listed.key, listed.size_bytes) for listed in backend.list(prefix)])
        self.same(lambda backend: sorted(backend.names(prefix)))

    @invariant()
    def all_is_the_same(self) -> None:
        self.same(lambda backend: [(listed.key, backend.get(listed.key)) for listed in backend.list("")])
        self.same(lambda backend: sorted(backend.names("")))

    def teardown(self) -> None:
        self.memory.check()
        shutil.rmtree(self.path)


TestSameAnswers = SameAnswers.TestCase
TestSameAnswers.settings = settings(max_examples=60, stateful_step_count=30)
