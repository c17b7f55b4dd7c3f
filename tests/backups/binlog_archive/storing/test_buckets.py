"""Are pieces in a bucket blamed for what only their store does?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.binlog_archive.storing.condition import check_segments
from backups.models import BinlogArchive, BinlogTimeline, Repository, SegmentCopy
from backups.repositories.objects import clients
from backups.repositories.wrappers import retry
from tests.backups.binlog_archive.spooled import HOUR, T0
from tests.backups.binlog_archive.stored import store_files
from tests.backups.repositories.bad_proxy import BadProxy, bad_proxy, refuse
from tests.backups.repositories.bucket_rows import make_bucket
from tests.backups.repositories.object_server import moto_address

pytestmark = pytest.mark.django_db(transaction=True)


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
