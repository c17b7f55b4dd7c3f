"""Does every kind of repository, and every wrapper around it, keep the contract of a store?"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils.timezone import now

from backups.exceptions import RepositoryError
from backups.repositories import (
    REPOSITORIES,
    DirectoryStore,
    ObjectStore,
    SequentialStore,
    SftpStore,
)
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION, IDENTITY_NAME
from backups.repositories.objects.azure.place import AzurePlace
from backups.repositories.objects.google.place import GooglePlace
from backups.repositories.objects.place import BucketPlace
from backups.repositories.wrappers import WRAPPERS
from tests.backups.repositories.azure_server import new_azure_store
from tests.backups.repositories.folder_medium import folder_store
from tests.backups.repositories.google_server import new_google_store
from tests.backups.repositories.object_server import new_store
from tests.backups.repositories.sftp_line import new_sftp_store

# How a test makes an empty place for each kind. A kind without one fails below.
PLACES: dict[str, Callable[[Path], ObjectStore]] = {
    DirectoryStore.kind: lambda folder: DirectoryStore(folder / "repository"),
    BucketPlace.kind: lambda _: new_store(),
    AzurePlace.kind: lambda _: new_azure_store(),
    SftpStore.kind: lambda folder: new_sftp_store(folder / "repository"),
    SequentialStore.kind: folder_store,
    GooglePlace.kind: lambda _: new_google_store(),
}
IDENTITY = Identity(str(uuid.UUID(int=7)), FORMAT_VERSION)
BAD_NAMES = ["", "/", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", "a/", "a\0b"]


# Nothing is tried again on sequential media: they are used without a wrapper.
ALONE = {SequentialStore.kind}
STORES = [
    (kind, name)
    for kind in sorted(REPOSITORIES)
    for name in ("", *(() if kind in ALONE else WRAPPERS))
]


@pytest.fixture(params=STORES, ids=" ".join)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    kind, wrapper = request.param
    store = PLACES[kind](tmp_path)
    return WRAPPERS[wrapper](store) if wrapper else store


@pytest.fixture
def store(place: ObjectStore) -> ObjectStore:
    place.initialise(IDENTITY)
    return place


def put(store: ObjectStore, name: str, content: bytes) -> None:
    with store.create(name) as upload:
        upload.write(content)
        upload.commit()


def test_it_says_who_it_is(store: ObjectStore) -> None:
    assert store.identity() == IDENTITY


def test_a_place_that_was_never_made_one_is_no_repository(place: ObjectStore) -> None:
    with pytest.raises(RepositoryError, match="is not a repository") as raised:
        place.identity()
    assert raised.value.hint.endswith(".")


def test_it_is_not_made_twice(store: ObjectStore) -> None:
    with pytest.raises(RepositoryError, match="is neither empty"):
        store.initialise(Identity(str(uuid.UUID(int=8)), FORMAT_VERSION))
    assert store.identity() == IDENTITY


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"repository": "x", "format": 2}', "has repository format 2, this version reads"),
        (b'{"repository": "x", "format": "?"}', "cannot be read"),
        (b'{"format": 1}', "cannot be read"),
        (b'["repository"]', "cannot be read"),
        (b"", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_an_identity_it_cannot_read_is_refused(
    store: ObjectStore, content: bytes, problem: str
) -> None:
    store.replace(IDENTITY_NAME, content)
    with pytest.raises(RepositoryError, match=problem):
        store.identity()


def test_a_newer_repository_has_a_hint(store: ObjectStore) -> None:
    store.replace(IDENTITY_NAME, b'{"repository": "x", "format": 2}')
    with pytest.raises(RepositoryError) as raised:
        store.identity()
    assert "or a newer one." in raised.value.hint


def test_what_was_put_comes_back(store: ObjectStore) -> None:
    put(store, "a/b/one", b"0123456789")

    assert store.exists("a/b/one")
    assert store.size("a/b/one") == 10
    for range_, expected in [
        ((), b"0123456789"),
        ((0, 10), b"0123456789"),
        ((3, 4), b"3456"),
        ((9, 1), b"9"),
        ((4,), b"456789"),
        ((10, 0), b""),
        ((10,), b""),
    ]:
        assert store.read("a/b/one", *range_) == expected


@pytest.mark.parametrize(
    ("offset", "length"), [(3, -1), (0, 11), (9, 2), (10, 1), (11, 1), (0, 1 << 60)]
)
def test_reading_past_the_end_is_an_error(store: ObjectStore, offset: int, length: int) -> None:
    put(store, "one", b"0123456789")
    with pytest.raises(RepositoryError, match="one ends early"):
        store.read("one", offset, length)


def test_nothing_is_there_before_the_commit(store: ObjectStore) -> None:
    with store.create("a/one") as upload:
        upload.write(b"half")
        assert not store.exists("a/one")
        assert list(store.list("a")) == []
        with pytest.raises(RepositoryError):
            store.read("a/one")
        upload.commit()
        assert store.read("a/one") == b"half"


def test_without_a_commit_nothing_is_left(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="midway"), store.create("a/one") as upload:
        upload.write(b"half")
        raise ValueError("midway")

    assert not store.exists("a/one")
    assert store.remove_tree("a") == 0


def test_an_object_that_is_there_is_never_overwritten(store: ObjectStore) -> None:
    put(store, "one", b"first")
    with pytest.raises(RepositoryError, match=r"one could not be committed: .*exists"):
        put(store, "one", b"second")
    assert store.read("one") == b"first"


def test_a_small_object_can_be_replaced(store: ObjectStore) -> None:
    put(store, "a/one", b"first")
    store.replace("a/one", b"second")
    assert store.read("a/one") == b"second"
    assert list(store.list("a")) == ["a/one"]


def test_a_large_object_comes_and_goes_in_pieces(store: ObjectStore) -> None:
    content = bytes(range(256)) * 70_000
    with store.create("a/large") as upload:
        for start in range(0, len(content), 3 << 20):
            upload.write(content[start : start + (3 << 20)])
        assert not store.exists("a/large")
        upload.commit()
    assert store.size("a/large") == len(content)
    assert store.read("a/large") == content
    if isinstance(store, SequentialStore):
        with pytest.raises(RepositoryError, match="only read from the beginning"):
            store.read("a/large", 8_388_600, 9_000_000)
        return
    assert store.read("a/large", 8_388_600, 9_000_000) == content[8_388_600:17_388_600]
    with pytest.raises(RepositoryError, match="large ends early"):
        store.read("a/large", 8_388_600, 1 << 40)
    with pytest.raises(RepositoryError, match="exists"), store.create("a/large") as again:
        again.write(content[::-1])
        again.commit()
    assert store.read("a/large", 0, 3) == content[:3]


def test_writing_is_tried_without_a_trace(store: ObjectStore) -> None:
    store.try_writing()
    assert not store.exists("writable")


def test_a_folder_with_something_in_it_is_held(store: ObjectStore) -> None:
    put(store, "a/b/one", b"x")
    assert store.holds("a")
    assert store.holds("a/b")
    assert not store.holds("a/none")


def test_names_are_listed_in_order_below_their_prefix(store: ObjectStore) -> None:
    for name in ["a/2", "a/10/x", "a/1", "ab/3", "b"]:
        put(store, name, b"")

    assert list(store.list("a/")) == list(store.list("a")) == ["a/1", "a/10/x", "a/2"]
    assert list(store.list("nothing/here")) == []


def test_an_object_that_is_not_there_is_named(store: ObjectStore) -> None:
    assert not store.exists("a/none")
    for ask in (store.read, store.size):
        with pytest.raises(RepositoryError, match="a/none could not be read: No such"):
            ask("a/none")


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_leads_out_is_refused(store: ObjectStore, name: str) -> None:
    for ask in (store.create, store.read, store.size, store.exists, store.remove):
        with pytest.raises(RepositoryError, match="leads out of the repository"):
            ask(name)
    with pytest.raises(RepositoryError, match="leads out of the repository"):
        store.replace(name, b"")


@pytest.mark.parametrize("prefix", ["", "/", "..", "a/../..", "."])
def test_a_tree_outside_is_neither_listed_nor_removed(store: ObjectStore, prefix: str) -> None:
    put(store, "one", b"x")
    with pytest.raises(RepositoryError, match="leads out of the repository"):
        list(store.list(prefix))
    with pytest.raises(RepositoryError, match="leads out of the repository"):
        store.remove_tree(prefix)
    assert store.read("one") == b"x"


def test_removing_an_object_frees_its_bytes_and_no_others(store: ObjectStore) -> None:
    put(store, "a/one", b"12345")
    put(store, "a/one.index", b"123")

    assert store.remove("a/one") == 5
    assert list(store.list("a")) == ["a/one.index"]
    assert store.remove("a/one") == 0
    assert store.remove("none/there") == 0


def test_removing_a_tree_frees_its_bytes_and_no_others(store: ObjectStore) -> None:
    put(store, "a/one", b"12345")
    put(store, "a/deep/two", b"123")
    put(store, "ab/three", b"x")
    unfinished = store.create("a/half")
    unfinished.write(b"12")

    # What is not finished may be in memory only.
    assert store.remove_tree("a") in {8, 10}
    assert list(store.list("a")) == []
    assert store.exists("ab/three")
    assert store.remove_tree("a") == 0
    with unfinished:
        pass


def test_its_clock_leaves_nothing_behind(store: ObjectStore) -> None:
    assert abs(now() - store.clock()) < timedelta(minutes=1)
    assert not store.exists("clock")


def test_it_says_how_much_fits_or_that_nobody_knows(store: ObjectStore) -> None:
    free = store.free_bytes()
    assert free is None or free > 0
