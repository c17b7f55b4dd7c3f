"""Does what the rules find reach a channel, once, and nothing that is silenced?"""

from __future__ import annotations

import pytest

from alerts.evaluation.evaluate import evaluate_all, evaluate_changed
from alerts.models import Channel, Notification, Route, Silence
from alerts.routing.outbox import notify_changes
from backups.states import JobStatus
from tests.alerts.fleet import T0, H, M, make_backup, make_instance, make_job, make_schedule

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mail() -> Channel:
    channel = Channel.objects.create(name="mail", kind="email")
    Route.objects.create(channel=channel)
    return channel


def notified() -> list[tuple[str, int]]:
    rows = Notification.objects.order_by("id")
    return [(row.kind, row.alerts.count()) for row in rows]


def failing_fleet() -> None:
    shops = [make_instance(f"shop-{n}") for n in range(2)]
    make_schedule("nightly", *shops)
    for shop in shops:
        make_backup(shop, T0 - H)
        make_job(shop, JobStatus.FAILED, T0)


def test_a_failure_is_notified_once() -> None:
    failing_fleet()
    for minute in range(3):
        evaluate_all(T0 + minute * M)
        notify_changes(T0 + minute * M)
    assert notified() == [("firing", 1), ("firing", 1)]


@pytest.mark.parametrize(
    ("first", "then"), [(JobStatus.FAILED, JobStatus.LOST), (JobStatus.LOST, JobStatus.FAILED)]
)
def test_a_failure_does_not_recover_by_another_one(first: JobStatus, then: JobStatus) -> None:
    shop = make_instance()
    make_schedule("nightly", shop)
    make_backup(shop, T0 - H)
    for hour, status in enumerate((first, then, first)):
        make_job(shop, status, T0 + hour * H)
        evaluate_all(T0 + hour * H + M)
        notify_changes(T0 + hour * H + M)
        # As sent: an end would not be left out because a message still waits.
        Notification.objects.update(attempts=1)
    assert notified() == [("firing", 1)] * 3
    make_backup(shop, T0 + 3 * H)
    evaluate_all(T0 + 3 * H + M)
    notify_changes(T0 + 3 * H + M)
    assert notified()[3:] == [("recovery", 1)]


def test_a_silenced_one_notifies_nobody_and_stays_open() -> None:
    failing_fleet()
    Silence.objects.create(comment="moving", starts_at=T0 - M, ends_at=T0 + H)
    evaluate_all(T0)
    notify_changes(T0)
    assert notified() == []


def test_a_success_is_notified_where_a_route_names_it(mail: Channel) -> None:
    shop = make_instance()
    evaluate_changed(T0)
    make_backup(shop, T0 + M)
    evaluate_changed(T0 + 2 * M)
    notify_changes(T0 + 2 * M)
    assert notified() == []

    Route.objects.create(channel=mail, rules=["backup_succeeded"], min_severity=10)
    make_backup(shop, T0 + 3 * M)
    evaluate_changed(T0 + 4 * M)
    notify_changes(T0 + 4 * M)
    assert notified() == [("success", 1)]
