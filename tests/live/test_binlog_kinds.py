"""Are compressed, encrypted and changed kinds of binary logs received as they are?"""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from backups.binlog_archive.receiving import process as receivers
from backups.binlog_archive.spool import spool_folder
from backups.binlogs.dump.tail import read_tail
from backups.models.binlog import BinlogArchive, BinlogGap, BinlogTimeline
from tests.live.binlog_options import COMPRESSED, encrypting
from tests.live.binlog_receiving import archive_of, caught_up, present, receiving
from tests.live.binlog_source import FLAVOURS, BinlogSource, binlog_source, differing
from tests.live.mooring_site import wait_until

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BINLOG_SPOOL = tmp_path / "binlogs"
    monkeypatch.setattr(receivers, "PROBE_SECONDS", 0.5)


def write_in_turns(source: BinlogSource) -> None:
    """Write, rotate and lose the connection."""
    for _ in range(2):
        source.write(10, 5000)
        source.rotate()
    source.write(3)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_compressed_events_pass_unchanged(tmp_path: Path, flavour: str) -> None:
    with binlog_source(tmp_path / "data", flavour, **COMPRESSED[flavour]) as source:
        archive_of(source.instance())
        with receiving():
            write_in_turns(source)
            wait_until(caught_up(source))
            assert differing(source, spool_folder(present())) == []


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_checksums_may_be_switched_off_and_on(tmp_path: Path, flavour: str) -> None:
    with binlog_source(tmp_path / "data", flavour) as source:
        archive_of(source.instance())
        with receiving():
            for algorithm in ("NONE", "CRC32", "NONE"):
                source.execute(f"SET GLOBAL binlog_checksum = {algorithm}")
                source.write(5)
            wait_until(caught_up(source))
            assert differing(source, spool_folder(present())) == []
        with receiving():
            source.write(5)
            wait_until(caught_up(source))
            assert differing(source, spool_folder(present())) == []
    assert (BinlogTimeline.objects.count(), BinlogGap.objects.count()) == (1, 0)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_encrypted_binlogs_arrive_decrypted_and_whole(tmp_path: Path, flavour: str) -> None:
    options = encrypting(tmp_path, flavour)
    with binlog_source(tmp_path / "data", flavour, **options) as source:
        archive_of(source.instance())
        source.write(1)
        with receiving():
            write_in_turns(source)
            wait_until(lambda: BinlogArchive.objects.get().lag_bytes == 0)
            wait_until(lambda: BinlogArchive.objects.get().received_file == source.files()[-1][0])
        for path in spool_folder(present()).iterdir():
            assert read_tail(path).end == path.stat().st_size
            assert path.read_bytes()[:4] == b"\xfebin"
        # From the middle of a file.
        before = BinlogArchive.objects.get().received_position or 0
        with receiving():
            source.write(3)
            wait_until(lambda: (BinlogArchive.objects.get().received_position or 0) > before)
            wait_until(lambda: BinlogArchive.objects.get().lag_bytes == 0)
    assert (BinlogTimeline.objects.count(), BinlogGap.objects.count()) == (1, 0)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_databases_that_are_not_logged_are_named(tmp_path: Path, flavour: str) -> None:
    with binlog_source(tmp_path / "data", flavour, binlog_ignore_db="scratch") as source:
        archive_of(source.instance())
        with receiving():
            wait_until(lambda: BinlogArchive.objects.get().warnings)
    assert "binlog_ignore_db is scratch: changes of them" in BinlogArchive.objects.get().warnings
