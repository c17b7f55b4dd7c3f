"""Do the fleet and an instance's page show from when to when it is recoverable?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from backups.models import BinlogArchive, BinlogTimeline, Instance, RecoverableRange
from monitor.selectors.recoverable import load_recoverability
from tests.monitor.rows import make_backup, make_instance, make_repository, make_user

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def orders() -> Instance:
    instance = make_instance("orders-1")
    make_backup(instance, make_repository())
    return instance


@pytest.fixture
def victor(client: Client) -> Client:
    client.force_login(make_user("victor", "viewer"))
    return client


def archive_of(instance: Instance, **columns: Any) -> BinlogArchive:
    archive: BinlogArchive = BinlogArchive.objects.create(
        instance=instance, server_id=instance.pk, **columns
    )
    return archive


def a_range(instance: Instance, hours: int, *, is_open: bool, because: str = "") -> None:
    """One that began so many hours ago and lasted for one hour so far."""
    timeline = BinlogTimeline.objects.create(
        instance=instance, start="first", server_identity="7", ended_at=None if is_open else now()
    )
    backup = instance.backups.first()
    assert backup is not None
    RecoverableRange.objects.create(
        instance=instance,
        timeline=timeline,
        oldest_backup=backup,
        newest_backup=backup,
        from_at=now() - hours * HOUR,
        to_at=now() - (hours - 1) * HOUR,
        to_file="b.000001",
        to_position=4,
        open=is_open,
        ends_because=because,
        judged_at=now(),
    )


def words(client: Client, page: str, *arguments: str) -> str:
    return " ".join(client.get(reverse(page, args=arguments)).content.decode().split())


class TestInstancePage:
    def test_it_says_from_when_to_when(self, victor: Client, orders: Instance) -> None:
        archive_of(orders)
        a_range(orders, 5, is_open=True)
        assert "With binlogs recoverable to any moment from" in words(
            victor, "instance-detail", "orders-1"
        )

    def test_it_says_why_not_to_the_present(self, victor: Client, orders: Instance) -> None:
        archive_of(orders, not_recoverable="the history ends; take a backup")
        a_range(orders, 5, is_open=False, because="the history ends")
        text = words(victor, "instance-detail", "orders-1")
        assert "With binlogs not recoverable to the present" in text
        assert "the history ends; take a backup." in text

    def test_it_says_that_no_moment_is(self, victor: Client, orders: Instance) -> None:
        archive_of(orders, not_recoverable="no binlog is stored yet")
        text = words(victor, "instance-detail", "orders-1")
        assert "No moment after a backup is recoverable</strong>: no binlog is stored yet." in text

    def test_without_an_archive_it_says_nothing(self, victor: Client, orders: Instance) -> None:
        assert "binlogs recoverable" not in words(victor, "instance-detail", "orders-1")


class TestFleet:
    def test_the_column_is_there_once_an_archive_is(self, victor: Client, orders: Instance) -> None:
        assert ">Recoverable</th>" not in words(victor, "fleet")
        archive_of(orders)
        a_range(orders, 5, is_open=True)
        text = words(victor, "fleet")
        assert ">Recoverable</th>" in text
        assert "to <time" in text

    def test_a_gap_is_shown_with_its_reason(self, victor: Client, orders: Instance) -> None:
        archive_of(orders, not_recoverable="b.000002 from 0 on cannot be read; take a backup")
        a_range(orders, 5, is_open=False)
        assert "b.000002 from 0 on cannot be read" in words(victor, "fleet")


def test_two_queries_for_any_number(
    orders: Instance, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    archive_of(orders, last_commit_at=now())
    a_range(orders, 9, is_open=True)
    a_range(orders, 20, is_open=False)
    with django_assert_num_queries(2):
        found = load_recoverability([orders.pk, orders.pk + 1])
    assert list(found) == [orders.pk]
    assert found[orders.pk].present is not None
    assert len(found[orders.pk].earlier) == 1
