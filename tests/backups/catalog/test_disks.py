"""Which repositories share a disk with what they protect, and where is that shown?"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from backups.catalog.condition import check_repositories
from backups.health.protection_rows import judge_instances
from backups.models import BackupCopy, Instance, InstanceProtection, Repository
from backups.models.instance import RunnerKind
from tests.backups.conftest import make_repository
from tests.monitor.rows import make_backup, make_user

pytestmark = pytest.mark.django_db
NOTE = "shares a disk with what it protects"


@pytest.fixture
def copy(tmp_path: Path) -> BackupCopy:
    """A copy beside the data folder of its instance, as a tick found it."""
    (tmp_path / "mysql").mkdir()
    instance = Instance.objects.create(name="orders-1", data_folder=str(tmp_path / "mysql"))
    copy = make_backup(instance, make_repository("main", tmp_path / "main"))
    check_repositories(now())
    return BackupCopy.objects.get(pk=copy.pk)


def test_the_tick_finds_it(copy: BackupCopy, tmp_path: Path) -> None:
    device = os.stat(tmp_path).st_dev
    assert (copy.repository.device, copy.backup.instance.data_device) == (device, device)
    assert copy.shares_disk


def test_a_folder_that_is_gone_is_unknown_and_so_is_one_of_another_host(
    copy: BackupCopy, tmp_path: Path
) -> None:
    (tmp_path / "main" / "mooring.json").unlink()
    Instance.objects.update(data_folder=str(tmp_path / "gone"))
    check_repositories(now())
    assert Repository.objects.get().device is None
    assert Instance.objects.get().data_device is None
    assert not BackupCopy.objects.get().shares_disk


def test_an_instance_that_is_reached_by_ssh_is_not_looked_up_here(copy: BackupCopy) -> None:
    Instance.objects.update(runner=RunnerKind.SSH, data_device=None)
    check_repositories(now())
    assert Instance.objects.get().data_device is None


def test_protection_notes_it_and_keeps_its_level(copy: BackupCopy) -> None:
    instance = copy.backup.instance
    judge_instances([instance.pk], now())
    row = InstanceProtection.objects.get()
    assert f"main {NOTE}" in row.reasons.splitlines()
    Repository.objects.update(device=None)
    judge_instances([instance.pk], now() + timedelta(minutes=1))
    without = InstanceProtection.objects.get()
    assert NOTE not in without.reasons
    assert without.level == row.level


@pytest.mark.parametrize(
    "page", ["/", "/repositories/", "/repositories/main/", "/instances/orders-1/", "/backups/{}/"]
)
def test_every_page_says_so_without_another_query(
    copy: BackupCopy, client: Client, page: str
) -> None:
    judge_instances([copy.backup.instance_id], now())
    client.force_login(make_user("eve"))
    address = page.format(copy.backup.label)
    client.get(address)
    known, text = queries_of(client, address)
    assert NOTE in text
    Repository.objects.update(device=None)
    judge_instances([copy.backup.instance_id], now())
    unknown, text = queries_of(client, address)
    assert NOTE not in text
    assert known == unknown


def queries_of(client: Client, address: str) -> tuple[int, str]:
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(address)
    assert answer.status_code == 200
    return len(queries), answer.content.decode()
