"""A table that is kept open for a page: requested, claimed, closed whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from backups.exceptions import Refused
from backups.models import Activity, BackupCopy, Instance, Repository, TableOpening
from backups.models.clock import shared
from backups.opened_tables import session
from backups.opened_tables.rows import RowChoice
from backups.opened_tables.session import (
    CLOSING,
    KEPT_ROWS,
    LONGEST,
    MOST_OPEN,
    UNCLAIMED,
    close_lost,
    keep_open,
    look,
    request_close,
    request_openings,
)
from backups.table_names.names import TableName
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import take_backup
from tests.monitor.rows import make_user

pytestmark = pytest.mark.django_db(transaction=True)

ORDERS = TableName("shop", "orders")


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders).copies.get()


def opening_of(copy: BackupCopy, **fields: object) -> TableOpening:
    return TableOpening.objects.create(
        copy=copy, schema="shop", name="orders", requested_by="ada", **fields
    )


def opened(copy: BackupCopy, table: TableName = ORDERS) -> TableOpening:
    (opening,) = request_openings([copy], table, requested_by="ada")
    return opening


def fresh(row: TableOpening) -> TableOpening:
    return TableOpening.objects.get(pk=row.pk)


def test_a_request_is_recorded_once(copy: BackupCopy) -> None:
    first = opened(copy)
    assert opened(copy) == first
    (viewed,) = Activity.objects.filter(verb="viewed")
    assert (viewed.name, viewed.details) == (copy.backup.label, {"table": "shop.orders"})


def test_no_more_than_some_are_open(copy: BackupCopy) -> None:
    for number in range(MOST_OPEN):
        opened(copy, TableName("shop", f"t{number}"))
    with pytest.raises(Refused, match="open already"):
        opened(copy)
    TableOpening.objects.update(closed_at=now())
    assert opened(copy).closed_at is None


def test_what_cannot_be_opened_is_closed_and_says_why(copy: BackupCopy) -> None:
    row = opening_of(copy)
    TableOpening.objects.update(name="none")
    keep_open(row.pk)
    assert fresh(row).closed_at is not None
    assert "no table shop.none" in fresh(row).problem


def test_it_is_claimed_once(copy: BackupCopy) -> None:
    row = opening_of(copy, lease_expires_at=shared(now()) + timedelta(seconds=9))
    keep_open(row.pk)
    assert (fresh(row).closed_at, fresh(row).host) == (None, "")


def test_a_dead_owner_and_a_lost_message_are_closed(copy: BackupCopy) -> None:
    at = now()
    dead = opening_of(copy, lease_expires_at=shared(at) - timedelta(seconds=1))
    alive = opening_of(copy, lease_expires_at=shared(at) + timedelta(seconds=1))
    lost = opening_of(copy, requested_at=at - UNCLAIMED - timedelta(seconds=1))
    recent = opening_of(copy, requested_at=at - UNCLAIMED + timedelta(seconds=1))
    old = opening_of(copy, closed_at=at - KEPT_ROWS - timedelta(seconds=1))
    assert close_lost(at) == 2
    assert "has ended" in fresh(dead).problem
    assert "no worker" in fresh(lost).problem
    assert fresh(alive).closed_at is fresh(recent).closed_at is None
    assert not TableOpening.objects.filter(pk=old.pk).exists()


def test_only_an_open_table_is_looked_at(copy: BackupCopy) -> None:
    with pytest.raises(Refused, match="is not open"):
        look(opening_of(copy), RowChoice())
    far = opening_of(copy, opened_at=now(), host="elsewhere")
    with pytest.raises(Refused, match="open on elsewhere"):
        look(far, RowChoice())
    request_close(far)
    with pytest.raises(Refused, match="is not open"):
        look(far, RowChoice())


def opening_does(monkeypatch: pytest.MonkeyPatch, work: Callable[[], None]) -> None:
    """Have the opening of tables do something else, and end by an error that nobody expects."""

    @contextmanager
    def failing(*_: object, **__: object) -> Iterator[None]:
        work()
        raise ZeroDivisionError
        yield

    monkeypatch.setattr(session, "open_tables", failing)


def test_an_unexpected_end_closes_the_table(
    copy: BackupCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = opening_of(copy)
    opening_does(monkeypatch, lambda: None)
    with pytest.raises(ZeroDivisionError):
        keep_open(row.pk)
    assert fresh(row).closed_at is not None
    assert "the log of the worker" in fresh(row).problem


def test_its_lease_is_renewed_while_nothing_looks(
    copy: BackupCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = opening_of(copy)

    def expire_and_wait() -> None:
        # As after a minute in which a large manifest was read.
        past = shared(now()) - timedelta(seconds=1)
        TableOpening.objects.filter(pk=row.pk).update(lease_expires_at=past)
        limit = time.monotonic() + 20
        while fresh(row).lease_expires_at == past and time.monotonic() < limit:
            time.sleep(0.01)
        assert close_lost(now()) == 0

    monkeypatch.setattr(session, "LOOK_SECONDS", 0.02)
    opening_does(monkeypatch, expire_and_wait)
    with pytest.raises(ZeroDivisionError):
        keep_open(row.pk)


def test_a_lease_is_not_renewed_for_ever(copy: BackupCopy) -> None:
    at = now()
    hanging = opening_of(copy, requested_at=at - LONGEST - CLOSING - timedelta(seconds=1))
    session._Renewal(hanging)._renew_once()
    assert fresh(hanging).lease_expires_at is None


def test_two_are_opened_together_or_none(
    copy: BackupCopy, orders: Instance, engine: FakeEngine
) -> None:
    later = take_backup(orders).copies.get()
    pair = request_openings([later, copy], ORDERS, requested_by="ada")
    assert [row.copy for row in pair] == [later, copy]
    assert request_openings([later, copy], ORDERS, requested_by="ada") == pair
    TableOpening.objects.filter(pk=pair[0].pk).update(closed_at=now())
    third = take_backup(orders).copies.get()
    with pytest.raises(Refused, match="open already"):
        request_openings([later, third], ORDERS, requested_by="ada")
    assert TableOpening.objects.filter(closed_at=None).count() == 1
    assert Activity.objects.filter(verb="viewed").count() == 2


def test_the_database_gives_a_place_once(copy: BackupCopy) -> None:
    first = opened(copy)
    with pytest.raises(IntegrityError), transaction.atomic():
        opening_of(copy, place=first.place)
    TableOpening.objects.update(closed_at=now())
    assert opening_of(copy, place=first.place).pk


def test_who_signs_out_closes_what_they_opened(copy: BackupCopy, client: Client) -> None:
    client.force_login(make_user("ada", "admin"))
    mine, other = opening_of(copy), opening_of(copy)
    TableOpening.objects.filter(pk=other.pk).update(requested_by="olga")
    client.get(reverse("logout"))
    assert not fresh(mine).close_requested
    client.post(reverse("logout"))
    assert fresh(mine).close_requested
    assert not fresh(other).close_requested
