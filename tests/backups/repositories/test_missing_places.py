"""Is nothing said to be missing, or removed, where the whole repository is not there?

A disk that is unmounted, a bucket or a folder of another host that is gone: to a request for one
object most of them answer as if only that were not there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backups.exceptions import RepositoryError
from backups.repositories import DirectoryStore, ObjectStore
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION, IDENTITY_NAME
from backups.repositories.objects.store import BucketStore
from tests.backups.repositories.object_server import KEYS, calls, new_place
from tests.backups.repositories.sftp_line import new_sftp_store
from tests.backups.repositories.test_contract import put

IDENTITY = Identity("00000000-0000-0000-0000-000000000007", FORMAT_VERSION)
# Takes the place from a store: its folder or bucket is gone then, or an empty one is there.
Take = Callable[[], None]


def moved(folder: Path, *, mount_point: bool) -> Take:
    def take() -> None:
        folder.rename(folder.with_name("elsewhere"))
        if mount_point:
            folder.mkdir()

    return take


def bucket(*, emptied_only: bool) -> tuple[ObjectStore, Take]:
    place = new_place()

    def take() -> None:
        for name in (IDENTITY_NAME, "a/one"):
            calls().delete_object(Bucket=place.bucket, Key=place.key(name))
        if not emptied_only:
            calls().delete_bucket(Bucket=place.bucket)

    return BucketStore(place, KEYS, IDENTITY.uuid), take


@pytest.fixture(params=["folder", "mount point", "bucket", "prefix", "sftp", "sftp mount point"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ObjectStore, Take]:
    root = tmp_path / "repository"
    match request.param:
        case "folder" | "mount point" as kind:
            take = moved(root, mount_point=kind == "mount point")
            return DirectoryStore(root, IDENTITY.uuid), take
        case "sftp" | "sftp mount point" as kind:
            take = moved(root, mount_point=kind == "sftp mount point")
            return new_sftp_store(root, IDENTITY.uuid), take
    return bucket(emptied_only=request.param == "prefix")


def test_nothing_is_missing_where_nothing_is(place: tuple[ObjectStore, Take]) -> None:
    store, take = place
    store.initialise(IDENTITY)
    put(store, "a/one", b"1")
    assert not store.exists("a/two")
    assert store.remove("a/two") == store.remove_tree("b") == 0
    assert list(store.list("b")) == []
    take()
    for operation in (
        lambda: store.exists("a/one"),
        lambda: store.exists("b/two"),
        lambda: store.remove("a/one"),
        # Partial bytes would be taken for removed, and stay when the disk is back.
        lambda: store.remove_tree("a"),
        lambda: store.holds("a"),
        lambda: list(store.list("a")),
    ):
        with pytest.raises(RepositoryError) as raised:
            operation()
        assert raised.value.hint.endswith(".")
    # Whether there is a repository is answered.
    assert not store.exists(IDENTITY_NAME)
