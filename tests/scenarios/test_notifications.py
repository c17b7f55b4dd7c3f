"""Whom do messages reach, and when not: many at once, silences, acknowledgement, dead channels."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alerts.delivery.channels import configure
from alerts.evaluation.transitions import acknowledge
from alerts.models import Alert, Channel, Route, Silence
from alerts.states import Severity
from backups.models import Instance, ObservedHistory, Repository
from backups.schedules.matching import match_jobs
from tests.alerts.delivery.test_email import values
from tests.alerts.mailbox import Mailbox, mailbox
from tests.alerts.rows import make_route
from tests.backups.planning import statuses
from tests.backups.schedules.test_matching import seen
from tests.scenarios.night import DUE, Night
from tests.scenarios.scenario import (
    H,
    M,
    assert_notified,
    by_hand,
    fails,
    make_fleet,
    mount,
    unmount,
    works,
)

FAILED = "Emergency: shop-0: full backup failed in copy…"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    """Made before the clock is moved: its certificate is judged by the real one."""
    folder = tmp_path_factory.mktemp("mail")
    with pytest.MonkeyPatch.context() as patch, mailbox(folder) as box:
        patch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
        yield box


@pytest.fixture(autouse=True)
def place(night: Night, main: Repository, hook: Channel) -> None:
    """Every night here has a repository and a webhook."""


def test_forty_instances_behind_one_dead_repository_are_one_message(night: Night) -> None:
    make_fleet(40)
    night.until(-M)
    unmount(night)
    night.until(3 * M)
    (notified,) = night.messages()
    # The repository's own alert is in it.
    assert notified["alert_count"] == 41
    assert {alert["subject_name"] for alert in notified["alerts"]} == {
        "main",
        *(f"shop-{number}" for number in range(40)),
    }
    mount(night)
    night.until(10 * M)
    for instance in Instance.objects.all():
        by_hand(night, instance)
    night.until(13 * M)
    assert_notified(
        night.notified()[1:], ["Resolved: 41 alerts: several rules on repository main: main…"]
    )
    assert night.standing() == []


def test_a_success_is_notified_where_somebody_wants_it(night: Night, hook: Channel) -> None:
    make_route(hook, rules=["backup_succeeded"], min_severity=Severity.NOTICE)
    make_fleet()
    night.until(3 * M)
    assert_notified(night.notified(), ["shop-0: full backup succeeded in…"])


def test_what_is_still_open_after_a_maintenance_window_is_notified_then(night: Night) -> None:
    Silence.objects.create(
        comment="every Monday", cron="0 2 * * 1", duration=15 * M, starts_at=DUE - 7 * 24 * H
    )
    make_fleet(2)
    fails(night)
    night.until(5 * M)
    works(night)
    by_hand(night, Instance.objects.get(name="shop-1"))
    night.until(14 * M)
    assert night.notified() == []
    night.until(17 * M)
    # What was over before is not notified at all.
    assert_notified(night.notified(), [FAILED])


def test_reminders_come_until_somebody_acknowledges(night: Night) -> None:
    Route.objects.update(remind_every=5 * M)
    make_fleet()
    fails(night)
    night.until(11 * M)
    reminder = "Still emergency: shop-0: full backup failed in copy…"
    assert_notified(night.notified(), [FAILED, reminder, reminder])
    acknowledge(Alert.objects.get(), by=None, comment="on it", now=night.now, actor="ada")
    night.until(25 * M)
    assert len(night.notified()) == 3
    works(night)
    by_hand(night)
    night.until(27 * M)
    assert_notified(night.notified()[3:], ["Resolved: shop-0: full backup failed in copy…"])


def test_a_dead_channel_is_reported_through_another(
    night: Night, hook: Channel, box: Mailbox
) -> None:
    mail = Channel(name="mail", kind="email")
    configure(mail, values(box))
    mail.save()
    make_route(mail)
    night.receiver.status = 410
    make_fleet()
    fails(night)
    night.until(3 * M)
    subjects = sorted(str(message["Subject"]) for message in box.messages)
    assert_notified(subjects, ["[Mooring] Channel hook does not deliver", f"[Mooring] {FAILED}"])
    hook.refresh_from_db()
    assert not hook.enabled


def test_an_observed_run_of_which_nothing_is_known_or_seen(night: Night) -> None:
    make_fleet(2, origin="observed")
    refused, silent = Instance.objects.order_by("name")
    for instance, verdict in ((refused, "refused"), (silent, "read")):
        ObservedHistory.objects.create(
            instance=instance, verdict=verdict, detail="SELECT denied", next_read_at=DUE,
            read_at=DUE + 12 * M,
        )  # fmt: skip
    night.until(14 * M)
    late = "Warning: shop-…, nightly: due at…02:00 UTC, not started after…"
    missed = "…, nightly: the run due at…02:00 UTC was missed: the tool's own history"
    assert_notified(
        sorted(night.notified()),
        [
            f"Emergency: shop-0{missed} cannot be read (SELECT denied)",
            f"Emergency: shop-1{missed} shows no run (…)",
            late,
            late,
        ],
    )
    match_jobs([seen(instance, DUE + M) for instance in (refused, silent)], night.now)
    night.until(17 * M)
    assert statuses() == [("succeeded", "")] * 2
    assert_notified(sorted(night.notified()[4:]), [f"Resolved: shop-{n}{missed}…" for n in (0, 1)])
