"""A spool of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import BinlogArchive, BinlogTimeline, Instance, Repository
from tests.backups.binlog_archive.spooled import archive_of, timeline_of
from tests.backups.conftest import make_repository


@pytest.fixture(autouse=True)
def spool_folder_of_the_test(tmp_path: Path, settings: Settings) -> None:
    settings.BINLOG_SPOOL = tmp_path / "binlogs"


@pytest.fixture
def copy_site(db: None, key_file: Path, tmp_path: Path) -> Repository:
    return make_repository("copy-site", tmp_path / "copy-site", encrypted=False)


@pytest.fixture
def archive(orders: Instance, main: Repository, copy_site: Repository) -> BinlogArchive:
    return archive_of(orders, main, copy_site)


@pytest.fixture
def timeline(archive: BinlogArchive) -> BinlogTimeline:
    return timeline_of(archive.instance)
