"""What is read from repositories by pages: a table's definition, and two backups compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.models import Backup, BackupCopy, Instance, Repository
from backups.states import CopyStatus
from monitor.selectors import stored_table
from tests.backups.catalog.test_compare import pair
from tests.backups.conftest import engine, key_file, main, orders
from tests.markup import one_line
from tests.monitor.rows import make_user

__all__ = ["engine", "key_file", "main", "orders", "pair"]

pytestmark = pytest.mark.django_db(transaction=True)


def shown(client: Client, name: str, backup: Backup, **query: str) -> str:
    olga = User.objects.filter(username="olga").first()
    client.force_login(olga or make_user("olga", "operator"))
    response = client.get(reverse(name, args=[backup.label]), query)
    assert response.status_code == 200
    return one_line(response.content.decode())


def test_definition_and_files(pair: tuple[Backup, Backup], client: Client) -> None:
    page = shown(client, "backup-inside-stored", pair[1], schema="shop", table="orders")
    assert "CREATE TABLE `orders`" in page
    assert "shop/orders.ibd" in page
    odd = shown(client, "backup-inside-stored", pair[0], schema="shop", table="parts")
    assert "shop/parts#P#p0.ibd" in odd


def test_a_comparison_by_pages(pair: tuple[Backup, Backup], client: Client) -> None:
    page = shown(client, "backup-compare", pair[1])
    assert f'<option value="{pair[0].label}" selected>' in page
    page = shown(client, "backup-compare-tables", pair[0])
    assert "2 changed, 1 added, 1 removed, 0 unknown, 2 unchanged." in page
    assert "3 of 6" in page
    assert f"{3 * BLOCK_BYTES:,} bytes" in page
    assert "shop.still" not in page
    page = shown(client, "backup-compare-tables", pair[0], how="unchanged", q="STILL")
    assert "shop.still" in page
    assert "shop.visits" not in page


def test_what_a_page_does_not_read_is_unknown(
    pair: tuple[Backup, Backup], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_table, "MOST_TABLE_BYTES", 9)
    monkeypatch.setattr(stored_table, "MOST_DEFINITION_BYTES", 9)
    assert "more than a page reads" in shown(client, "backup-compare-tables", pair[1])
    page = shown(client, "backup-inside-stored", pair[1], schema="shop", table="orders")
    assert "showdefinition" in page


def test_a_copy_that_cannot_be_read_says_so(
    pair: tuple[Backup, Backup], main: Repository, client: Client
) -> None:
    Path(main.path).rename(f"{main.path}.away")
    page = shown(client, "backup-inside-stored", pair[1], schema="shop", table="orders")
    assert "The repository was not read" in page
    assert "What to do:" in page


def test_only_stored_backups_of_the_instance_are_compared(
    pair: tuple[Backup, Backup], orders: Instance, client: Client
) -> None:
    BackupCopy.objects.filter(backup=pair[0]).update(status=CopyStatus.PURGED)
    assert "Nothing to compare with" in shown(client, "backup-compare", pair[1])
    page = shown(client, "backup-compare-tables", pair[1], **{"with": pair[0].label})
    assert "no such backup to compare with" in page
