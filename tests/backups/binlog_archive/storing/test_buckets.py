"""Are pieces in a bucket blamed for what only their store does?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.utils.timezone import now
from pytest_django import Settings

from backups.binlog_archive.storing.condition import check_segments
from backups.binlogs.segments.names import manifest_of
from backups.models import BinlogArchive, BinlogTimeline, Repository, SegmentCopy
from backups.repositories.objects import clients
from backups.repositories.wrappers import retry
from backups.retention.binlogs import delete_expired
from backups.retention.renewal import renew_locks
from tests.backups.binlog_archive.spooled import HOUR, T0
from tests.backups.binlog_archive.stored import store_files
from tests.backups.repositories.bad_proxy import BadProxy, bad_proxy, refuse
from tests.backups.repositories.bucket_rows import make_bucket
from tests.backups.repositories.object_server import calls, moto_address
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)


@pytest.fixture
def proxy() -> Iterator[BadProxy]:
    with bad_proxy(moto_address()) as proxy:
        yield proxy


@pytest.fixture
def bucket(proxy: BadProxy, key_file: Path, settings: Settings) -> Repository:
    return make_bucket(proxy.url, settings)


def test_a_busy_store_is_no_missing_piece(
    archive: BinlogArchive,
    timeline: BinlogTimeline,
    bucket: Repository,
    proxy: BadProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive.repositories.set([bucket])
    store_files(archive, timeline, 2)
    assert check_segments(T0) == 0
    SegmentCopy.objects.update(checked_at=None)
    monkeypatch.setattr(clients, "TRIES", 0)
    monkeypatch.setattr(retry, "DELAYS", ())
    proxy.fail("HEAD", refuse(503, "SlowDown"), times=99)
    assert check_segments(T0 + HOUR) == 0
    # After the first of them the others are not waited for.
    assert proxy.faults.count(proxy.faults[0]) == 98
    found = SegmentCopy.objects.values_list("fault", "checked_at")
    assert set(found) == {("", T0 + HOUR)}


def test_rows_of_expired_pieces_of_a_write_only_bucket_go_when_their_objects_have(
    archive: BinlogArchive, timeline: BinlogTimeline, bucket: Repository
) -> None:
    Repository.objects.update(write_only=True)
    archive.repositories.set([bucket])
    store_files(archive, timeline, 3)
    first, second, third = SegmentCopy.objects.order_by("pk")
    SegmentCopy.objects.exclude(pk=third.pk).update(expired_at=T0)
    assert delete_expired() == 0
    name, _, prefix = bucket.path.removeprefix("s3://").partition("/")
    for path in (first.path, manifest_of(first.path)):
        calls().delete_object(Bucket=name, Key=f"{prefix}/{path}")
    assert delete_expired() == 1
    assert set(SegmentCopy.objects.all()) == {second, third}


def test_pieces_are_locked_read_back_and_renewed(
    archive: BinlogArchive,
    timeline: BinlogTimeline,
    proxy: BadProxy,
    key_file: Path,
    settings: Settings,
) -> None:
    archive.repositories.set([make_bucket(proxy.url, settings, lock_days=20)])
    store_files(archive, timeline, 2)
    assert renew_locks(now()) == 2
    first, last = SegmentCopy.objects.order_by("pk")
    assert first.locked_until is not None
    assert round((first.locked_until - now()) / DAY) == 20
    with time_machine.travel(now() + 11 * DAY):
        assert renew_locks(now()) == 2
        last.refresh_from_db()
        assert last.locked_until is not None
        assert round((last.locked_until - now()) / DAY) == 20


@pytest.mark.parametrize("harm", ["deleted", "overwritten"])
def test_pieces_that_somebody_deleted_or_overwrote_are_recovered(
    archive: BinlogArchive,
    timeline: BinlogTimeline,
    proxy: BadProxy,
    key_file: Path,
    settings: Settings,
    harm: str,
) -> None:
    bucket = make_bucket(proxy.url, settings, lock_days=20)
    archive.repositories.set([bucket])
    store_files(archive, timeline, 2)
    first, _ = SegmentCopy.objects.order_by("pk")
    name, _, prefix = bucket.path.removeprefix("s3://").partition("/")
    for path in (first.path, manifest_of(first.path)):
        if harm == "deleted":
            calls().delete_object(Bucket=name, Key=f"{prefix}/{path}")
        else:
            calls().put_object(Bucket=name, Key=f"{prefix}/{path}", Body=b"ransom")
    assert check_segments(now()) == 1

    answer = run_command("recoverversions", "offsite", "--json").json()
    assert (answer["recovered"], answer["failed"]) == ({first.path: 2}, {})
    first.refresh_from_db()
    assert first.fault == ""
    SegmentCopy.objects.update(checked_at=None)
    assert check_segments(now()) == 0
    # Once is enough, though the registered versions may be below their copies now.
    assert run_command("recoverversions", "offsite", "--json").json()["recovered"] == {}


@pytest.fixture
def piece(
    archive: BinlogArchive,
    timeline: BinlogTimeline,
    proxy: BadProxy,
    key_file: Path,
    settings: Settings,
) -> SegmentCopy:
    """A piece in a locked bucket, over which somebody wrote as many other bytes a day later."""
    bucket = make_bucket(proxy.url, settings, lock_days=20)
    archive.repositories.set([bucket])
    store_files(archive, timeline, 1)
    copy = SegmentCopy.objects.get()
    with time_machine.travel(now() + DAY):
        where = place_of(copy)
        size = calls().head_object(**where)["ContentLength"]
        calls().put_object(**where, Body=bytes(size))
    return copy


def place_of(copy: SegmentCopy) -> dict[str, str]:
    bucket, _, prefix = copy.repository.path.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": f"{prefix}/{copy.path}"}


def test_without_its_key_no_covered_piece_counts_as_sound(
    piece: SegmentCopy, key_file: Path
) -> None:
    key_file.rename(key_file.with_name("away"))
    ended = run_command("recoverversions", "offsite", "--json")
    answer = ended.json()
    assert (ended.exit_code, answer["recovered"]) == (1, {})
    assert f"unknown without key {piece.key_id}: key file" in answer["failed"][piece.path]
    key_file.with_name("away").rename(key_file)
    answer = run_command("recoverversions", "offsite", "--json").json()
    assert (answer["recovered"], answer["failed"]) == ({piece.path: 1}, {})


@pytest.mark.parametrize("with_key", [True, False])
def test_a_piece_whose_registered_version_is_gone_is_no_success(
    piece: SegmentCopy, key_file: Path, with_key: bool
) -> None:
    where = place_of(piece)
    found = calls().list_object_versions(Bucket=where["Bucket"], Prefix=where["Key"])["Versions"]
    (registered,) = [v for v in found if v["Key"] == where["Key"] and not v["IsLatest"]]
    where["VersionId"] = registered["VersionId"]
    past = {"Mode": "GOVERNANCE", "RetainUntilDate": now() - DAY}
    calls().put_object_retention(**where, Retention=past)
    calls().delete_object(**where)
    if not with_key:
        key_file.unlink()
    ended = run_command("recoverversions", "offsite", "--json")
    (error,) = ended.json()["failed"].values()
    assert ended.exit_code == 1
    assert ("still changed: " if with_key else f"without key {piece.key_id}") in error
    piece.refresh_from_db()
    assert piece.fault == ("changed" if with_key else "")
