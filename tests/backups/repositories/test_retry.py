"""Is what fails for a moment tried again, and nothing else?"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from backups.access import store_of
from backups.exceptions import RepositoryError
from backups.models import Repository
from backups.repositories.base import Upload
from backups.repositories.directory import DirectoryStore
from backups.repositories.wrappers import retry
from backups.repositories.wrappers.retry import DELAYS, JITTER, RetryingStore
from tests.backups.archive.stores import make_store


class Failing(DirectoryStore):
    """A folder whose next calls fail, as those of a network mount do."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.failures: list[RepositoryError] = []
        self.calls = 0

    def create(self, name: str) -> Upload:  # type: ignore[override]  # narrower than it need be
        self._fail()
        return super().create(name)

    def replace(self, name: str, content: bytes) -> None:
        self._fail()
        super().replace(name, content)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        self._fail()
        return super().read(name, offset, length)

    def list(self, prefix: str) -> Iterator[str]:
        yield from super().list(prefix)
        self._fail()

    def remove_tree(self, prefix: str) -> int:
        self._fail()
        return super().remove_tree(prefix)

    def _fail(self) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)


STALE = RepositoryError("one could not be read: Stale file handle", transient=True)
DENIED = RepositoryError("one could not be read: Permission denied")


@pytest.fixture
def inner(tmp_path: Path) -> Failing:
    store = make_store(tmp_path / "repository")
    store.create("one").__enter__().commit()
    store.replace("one", b"content")
    return Failing(store.root)


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def store(inner: Failing, waits: list[float]) -> RetryingStore:
    return RetryingStore(inner, waits.append)


def test_a_moment_without_the_mount_is_survived(
    store: RetryingStore, inner: Failing, waits: list[float]
) -> None:
    inner.failures = [STALE, STALE, STALE]
    assert store.read("one") == b"content"
    assert len(waits) == len(DELAYS)
    for waited, delay in zip(waits, DELAYS, strict=True):
        assert delay * (1 - JITTER) <= waited <= delay * (1 + JITTER)


def test_a_permanent_error_is_raised_at_once(
    store: RetryingStore, inner: Failing, waits: list[float]
) -> None:
    inner.failures = [DENIED]
    with pytest.raises(RepositoryError) as raised:
        store.read("one")
    assert (raised.value, waits) == (DENIED, [])


def test_patience_ends_with_the_error_itself(store: RetryingStore, inner: Failing) -> None:
    inner.failures = [STALE] * 9
    with pytest.raises(RepositoryError) as raised:
        store.read("one")
    assert (raised.value, inner.calls) == (STALE, 1 + len(DELAYS))


def test_what_stays_unreadable_is_not_waited_for_again(
    store: RetryingStore, inner: Failing, waits: list[float]
) -> None:
    inner.failures = [STALE] * 9
    for _ in range(3):
        with pytest.raises(RepositoryError):
            store.read("one", 0, 1)
    assert len(waits) == len(DELAYS)


def test_an_object_is_begun_and_replaced_patiently(store: RetryingStore, inner: Failing) -> None:
    inner.failures = [STALE]
    with store.create("two") as upload:
        upload.write(b"2")
        upload.commit()
    inner.failures = [STALE]
    store.replace("two", b"3")
    assert inner.read("two") == b"3"


def test_a_listing_that_breaks_off_begins_again(store: RetryingStore, inner: Failing) -> None:
    with inner.create("a/b") as upload:
        upload.commit()
    inner.failures = [STALE]
    assert list(store.list("a")) == ["a/b"]


def test_a_list_goes_on_behind_what_was_yielded(store: RetryingStore, inner: Failing) -> None:
    for name in ("a/1", "a/2"):
        with inner.create(name) as upload:
            upload.commit()
    names = store.list("a")
    assert next(names) == "a/1"
    inner.failures = [STALE]
    assert list(names) == ["a/2"]


def test_a_removal_is_not_repeated_here(store: RetryingStore, inner: Failing) -> None:
    inner.failures = [STALE]
    with pytest.raises(RepositoryError):
        store.remove_tree("one")


@pytest.mark.parametrize(
    ("code", "survives"),
    [
        (errno.ESTALE, True),
        (errno.EIO, True),
        (errno.ETIMEDOUT, True),
        (errno.EACCES, False),
        (errno.ENOSPC, False),
    ],
)
def test_a_job_reads_through_it(
    inner: Failing, monkeypatch: pytest.MonkeyPatch, code: int, survives: bool
) -> None:
    failures, pread = [OSError(code, os.strerror(code))], os.pread

    def fail_once(descriptor: int, length: int, offset: int) -> bytes:
        if failures:
            raise failures.pop()
        return pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", fail_once)
    monkeypatch.setattr(retry, "DELAYS", (0.0,))
    row = Repository(kind="directory", path=str(inner.root), uuid=UUID(inner.identity().uuid))
    if survives:
        assert store_of(row).read("one") == b"content"
    else:
        with pytest.raises(RepositoryError, match=os.strerror(code)):
            store_of(row).read("one")
