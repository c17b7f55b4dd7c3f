"""Manifests that somebody made up: one never stops the others, and no page falls over any."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from backups.catalog.register import rebuild
from backups.models import Backup, Instance, Repository
from backups.repositories.base import Identity
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import FORMAT_VERSION
from tests.backups.archive.stores import INSTANCE as FOLDER_UUID
from tests.backups.archive.stores import records_of, write_backup
from tests.monitor.rows import make_user

pytestmark = pytest.mark.django_db

INSTANCE = {
    "uuid": str(FOLDER_UUID),
    "name": "orders-1",
    "host": "h",
    "port": 3306,
    "flavour": "mysql",
}
FACTS: dict[str, Any] = {
    "from_lsn": None, "to_lsn": 7, "binlog_file": "", "binlog_position": None,
    "gtid_executed": "", "server_version": "8.4.3", "tool_version": "", "lock_time_s": 0.5,
    "more": {},
}  # fmt: skip
ABOUT: dict[str, Any] = {
    "instance": INSTANCE,
    "kind": "full",
    "engine": "clone",
    "base": None,
    "started_at": "2026-01-01T00:00:00+00:00",
    "ended_at": "2026-01-01T00:10:00+00:00",
    "facts": FACTS,
}
FORGED: list[dict[str, Any]] = [
    {"kind": "everything"},
    {"engine": "rm"},
    {"engine": ["clone"]},
    {"started_at": "tomorrow"},
    {"started_at": "2026-01-01T00:00:00"},
    {"base": {"uuid": str(uuid4())}},
    {"base": 7},
    {"facts": FACTS | {"lock_time_s": 1e300}},
    {"facts": FACTS | {"lock_time_s": float("nan")}},
    {"facts": FACTS | {"to_lsn": 2**70}},
    {"facts": FACTS | {"server_version": "x" * 5000}},
    {"facts": FACTS | {"binlog_file": "\x00"}},
    {"facts": FACTS | {"more": {"saved_tables": 1}}},
    {"facts": None},
    {"instance": INSTANCE | {"uuid": str(uuid4()), "name": "a/b"}},
    {"instance": INSTANCE | {"uuid": str(uuid4()), "name": ""}},
    {"instance": INSTANCE | {"uuid": "x"}},
    {"instance": INSTANCE | {"uuid": str(uuid4()), "name": "o", "port": 2**40}},
    {"instance": None},
    {"server": 7},
]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository.objects.create(name="main", path=str(tmp_path / "main"), encrypted=False)
    DirectoryStore(tmp_path / "main").initialise(Identity(str(made.uuid), FORMAT_VERSION))
    return made


def write(repository: Repository, label: str, about: dict[str, Any]) -> None:
    records = records_of({"shop/t.ibd": b"rows"})
    store = DirectoryStore(Path(repository.path))
    write_backup(store, records, label=label, encrypted=False, about=about)


def test_one_bad_manifest_never_stops_the_others(repository: Repository, client: Client) -> None:
    for number, changes in enumerate(FORGED):
        write(repository, f"orders-1@{number:02}-F", ABOUT | changes)
    write(repository, "orders-1@99-F", ABOUT)
    found = list(rebuild(repository, None))
    assert len(found) == len(FORGED) + 1
    assert [finding.label for finding in found if finding.added] == ["orders-1@99-F"]
    assert all(finding.error for finding in found if not finding.added)
    assert Backup.objects.count() == 1
    assert Instance.objects.get().name == "orders-1"

    client.force_login(make_user("ada", "admin"))
    for page in (
        "/",
        "/backups/orders-1@99-F/",
        "/instances/orders-1/",
        "/repositories/",
    ):
        assert client.get(page, follow=True).status_code == 200, page
