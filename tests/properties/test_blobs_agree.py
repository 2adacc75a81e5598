"""Whatever is done to a blob store, disk and memory answer alike: same results, same refusals, same keys."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from storage.blobs.contract import BlobStore
from storage.blobs.local import LocalBlobStore
from storage.blobs.memory import MemoryBlobStore
from storage.errors import LiuhenError
from tests.support.blobs import HandClock, digest, file_of

KEYS = st.sampled_from(["a", "a-b", "b/c", "b/c.d", "b0", "B", "../a", "b/x.lock"])
CONTENTS = st.sampled_from([b"", b"one", b"two", bytes(5000)])
SECONDS = st.integers(-50, 200)


class Stores(RuleBasedStateMachine):
    """Every rule runs on both stores and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock()
        self.folder = Path(tempfile.mkdtemp(prefix="liuhen-property-"))
        self.stores: list[BlobStore] = [
            MemoryBlobStore(clock=self.clock),
            LocalBlobStore(self.folder / "blobs", clock=self.clock),
        ]

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def both(self, call: Callable[[BlobStore], object]) -> None:
        def outcome(store: BlobStore) -> object:
            try:
                return call(store)
            except LiuhenError as error:
                return type(error), str(error)

        expected, found = map(outcome, self.stores)
        assert found == expected

    @rule(key=KEYS, content=CONTENTS, seconds=st.none() | SECONDS, honest=st.booleans())
    def put(self, key: str, content: bytes, seconds: int | None, honest: bool) -> None:
        source = file_of(self.folder, content)
        until = None if seconds is None else self.clock() + timedelta(seconds=seconds)
        sha256 = digest(content if honest else b"else")
        self.both(lambda store: store.put(key, source, sha256=sha256, retain_until=until))

    @rule(key=KEYS, seconds=SECONDS)
    def extend(self, key: str, seconds: int) -> None:
        until = self.clock() + timedelta(seconds=seconds, milliseconds=7)
        self.both(lambda store: store.extend(key, until))

    @rule(key=KEYS, on=st.booleans())
    def hold(self, key: str, on: bool) -> None:
        self.both(lambda store: store.hold(key, on))

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.both(lambda store: store.delete(key))

    @rule(seconds=st.integers(1, 100))
    def wait(self, seconds: int) -> None:
        self.clock.reach(self.clock() + timedelta(seconds=seconds))

    @rule(key=KEYS, start=st.integers(-1, 5001), length=st.none() | st.integers(-1, 5001))
    def read(self, key: str, start: int, length: int | None) -> None:
        self.both(lambda store: b"".join(store.open(key, start=start, length=length)))

    @rule(prefix=st.sampled_from(["a", "a/", "b/", "b/c", "z", "/"]))
    def list_some(self, prefix: str) -> None:
        self.both(lambda store: list(store.keys(prefix)))

    @invariant()
    def they_know_the_same(self) -> None:
        self.both(lambda store: [(key, store.stat(key)) for key in store.keys("")])


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
