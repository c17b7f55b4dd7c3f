"""Is every object locked until the date that the store says, and nothing taken on trust?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION, IDENTITY_NAME
from backups.repositories.objects.clients import PART_BYTES
from backups.repositories.objects.locked_store import LockedBucketStore
from backups.repositories.objects.locks import ObjectLock
from backups.repositories.objects.place import BucketPlace
from backups.repositories.objects.versions import (
    list_versions,
    read_version,
    recover_version,
)
from tests.backups.repositories.bad_proxy import bad_proxy, refuse, say
from tests.backups.repositories.object_server import KEYS, calls, moto_address, new_locked_place

IDENTITY = Identity(str(uuid4()), FORMAT_VERSION)
DAY = timedelta(days=1)
LOCK = ObjectLock("governance", 10 * DAY)
CONTENT = bytes(range(256)) * 80_000


@pytest.fixture
def place() -> BucketPlace:
    return new_locked_place()


@pytest.fixture
def store(place: BucketPlace) -> LockedBucketStore:
    return locked_store(place)


def locked_store(place: BucketPlace, lock: ObjectLock = LOCK) -> LockedBucketStore:
    store = LockedBucketStore(replace(place, checksums=True), KEYS, lock)
    store.initialise(IDENTITY)
    return store


def put(store: LockedBucketStore, name: str, content: bytes = b"content") -> None:
    with store.create(name) as upload:
        upload.write(content)
        upload.commit()


def left(store: LockedBucketStore, name: str) -> timedelta:
    """Until when an object is locked, from now on, by whole days."""
    until = store.locks.read(name).until
    assert until is not None
    return timedelta(days=round((until - datetime.now(UTC)) / DAY))


@pytest.mark.parametrize("content", [b"", b"small", CONTENT], ids=["empty", "small", "parts"])
def test_each_object_is_locked_when_it_is_complete(
    store: LockedBucketStore, content: bytes
) -> None:
    assert len(CONTENT) > 2 * PART_BYTES
    put(store, "a/one", content)
    assert store.size("a/one") == len(content)
    assert left(store, "a/one") == left(store, IDENTITY_NAME) == 10 * DAY


def test_what_replaces_an_object_is_locked_too(store: LockedBucketStore) -> None:
    put(store, "one")
    store.replace("one", b"other")
    versions = list_versions(store.locks.connection, "one")["one"]
    assert [store.locks.read("one", each.version).until is not None for each in versions] == [
        True,
        True,
    ]


def test_the_mode_is_the_repositorys(place: BucketPlace) -> None:
    store = locked_store(place, ObjectLock("compliance", DAY))
    put(store, "one")
    assert store.locks.read("one").mode == "COMPLIANCE"


def test_a_lock_is_renewed_when_too_little_is_left(store: LockedBucketStore) -> None:
    put(store, "one")
    longer = LockedBucketStore(store.place, KEYS, ObjectLock("compliance", 30 * DAY)).locks
    longer.lock("one", least=9 * DAY)
    assert left(store, "one") == 10 * DAY
    longer.lock("one", least=15 * DAY)
    assert left(store, "one") == 30 * DAY
    # What is locked keeps its mode.
    assert store.locks.read("one").mode == "GOVERNANCE"


def test_a_lock_that_is_refused_fails_the_object(place: BucketPlace) -> None:
    with bad_proxy(moto_address()) as proxy:
        store = locked_store(replace(place, endpoint=proxy.url))
        proxy.fail("PUT", refuse(403, "AccessDenied"), times=9, part="retention")
        with pytest.raises(RepositoryError, match="one could not be locked: access") as raised:
            put(store, "one")
    assert "s3:PutObjectRetention" in raised.value.hint


def test_a_store_that_only_says_yes_is_not_believed(place: BucketPlace) -> None:
    with bad_proxy(moto_address()) as proxy:
        store = locked_store(replace(place, endpoint=proxy.url))
        proxy.fail("PUT", say(""), times=9, part="retention")
        with pytest.raises(RepositoryError, match="the store says that it is not locked"):
            put(store, "one")


def test_a_bucket_without_locks_becomes_no_repository() -> None:
    place = replace(new_locked_place(), bucket=f"plain-{uuid4().hex[:12]}")
    calls().create_bucket(Bucket=place.bucket)
    with pytest.raises(RepositoryError, match="keeps no versions"):
        locked_store(place)
    calls().put_bucket_versioning(
        Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    with pytest.raises(RepositoryError, match="has no object lock") as raised:
        locked_store(place)
    assert raised.value.hint == "Use a bucket that was created with object lock."
    assert "Contents" not in calls().list_objects_v2(Bucket=place.bucket)


def test_trying_to_write_tries_to_lock(store: LockedBucketStore) -> None:
    with bad_proxy(moto_address()) as proxy:
        place = replace(store.place, endpoint=proxy.url)
        tried = LockedBucketStore(place, KEYS, LOCK, IDENTITY.uuid)
        tried.try_writing()
        proxy.fail("PUT", refuse(403, "AccessDenied"), times=9, part="retention")
        # Within the same second the lock of before is long enough.
        longer = LockedBucketStore(place, KEYS, replace(LOCK, length=LOCK.length + DAY))
        with pytest.raises(RepositoryError, match="could not be locked"):
            longer.try_writing()


def test_a_deleted_object_is_recovered_without_its_marker(store: LockedBucketStore) -> None:
    put(store, "one")
    calls().delete_object(Bucket=store.place.bucket, Key=store.place.key("one"))
    assert not store.exists("one")
    connection = store.locks.connection
    versions = list_versions(connection, "one")["one"]
    assert [each.marker for each in versions] == [True, False]
    recover_version(connection, "one", versions, versions[-1].version)
    assert store.read("one") == b"content"


def test_an_overwritten_object_is_recovered_by_a_copy(store: LockedBucketStore) -> None:
    put(store, "one")
    calls().put_object(Bucket=store.place.bucket, Key=store.place.key("one"), Body=b"garbage")
    connection = store.locks.connection
    versions = list_versions(connection, "one")["one"]
    original = versions[-1].version
    assert read_version(connection, "one", original, 100) == b"content"
    recover_version(connection, "one", versions, original)
    assert store.read("one") == b"content"


def test_a_key_that_may_not_delete_recovers_by_a_copy(store: LockedBucketStore) -> None:
    put(store, "one")
    calls().delete_object(Bucket=store.place.bucket, Key=store.place.key("one"))
    with bad_proxy(moto_address()) as proxy:
        proxy.fail("DELETE", refuse(403, "AccessDenied"), times=9)
        place = replace(store.place, endpoint=proxy.url)
        connection = LockedBucketStore(place, KEYS, LOCK).locks.connection
        versions = list_versions(connection, "one")["one"]
        recover_version(connection, "one", versions, versions[-1].version)
    assert store.read("one") == b"content"
