from __future__ import annotations

from datetime import time, timedelta

from django.test import TestCase

from alerts.models import (
    Alert,
    AlertTransition,
    Channel,
    Notification,
    NotificationState,
    Silence,
)
from alerts.routing.outbox import (
    REMINDER_RECHECK,
    SHARED_CAUSE_DELAY,
    SHARED_CAUSE_INTERVAL,
    notify_changes,
    notify_open_alerts,
)
from alerts.states import AlertStatus, NotificationKind, Severity
from tests.alerts.rows import T0, change, hours, make_alert, make_route, make_webhook, minutes


class OutboxTestCase(TestCase):
    hook: Channel

    def setUp(self) -> None:
        self.hook = make_webhook()
        self.route = make_route(self.hook)

    def messages(self) -> list[tuple[str, int]]:
        rows = Notification.objects.order_by("id")
        return [(row.kind, row.alerts.count()) for row in rows]

    def sent(self) -> None:
        """Have everything that waits tried once, as a sender would."""
        Notification.objects.update(attempts=1)

    def test_an_alert_makes_one_message_however_often_somebody_looks(self) -> None:
        make_alert()
        notify_changes(T0)
        notify_changes(T0)
        notify_open_alerts(T0)
        self.assertEqual(self.messages(), [("firing", 1)])
        self.assertFalse(AlertTransition.objects.filter(routed_at=None).exists())

    def test_a_recovery_is_notified_once_and_only_after_its_alert(self) -> None:
        alert = make_alert()
        notify_changes(T0)
        self.sent()
        change(alert, AlertStatus.RESOLVED)
        notify_changes(T0)
        notify_changes(T0)
        self.assertEqual(self.messages(), [("firing", 1), ("recovery", 1)])

    def test_what_ends_before_its_message_left_makes_no_second_one(self) -> None:
        alert = make_alert()
        notify_changes(T0)
        change(alert, AlertStatus.RESOLVED)
        notify_changes(T0)
        self.assertEqual(self.messages(), [("firing", 1)])

    def test_forty_instances_behind_one_repository_make_one_message(self) -> None:
        for number in range(40):
            make_alert(f"orders-{number}", cause="repository:2")
        notify_changes(T0)
        self.assertEqual(self.messages(), [("firing", 40)])
        self.assertEqual(Notification.objects.get().next_attempt_at, T0 + SHARED_CAUSE_DELAY)

    def test_later_ones_of_the_same_cause_are_notified_at_a_calm_pace(self) -> None:
        make_alert("orders-1", cause="repository:2")
        notify_changes(T0)
        self.sent()
        for number in (2, 3):
            make_alert(f"orders-{number}", cause="repository:2")
            notify_changes(T0 + minutes(number - 1))
        self.assertEqual(self.messages(), [("firing", 1), ("firing", 2)])
        self.assertEqual(Notification.objects.first().next_attempt_at, T0 + SHARED_CAUSE_INTERVAL)  # type: ignore[union-attr]

    def test_alerts_of_their_own_are_notified_at_once(self) -> None:
        make_alert("orders-1")
        make_alert("orders-2")
        notify_changes(T0)
        self.assertEqual(self.messages(), [("firing", 1), ("firing", 1)])

    def test_reminders_come_until_somebody_acknowledges(self) -> None:
        self.route.remind_every = timedelta(hours=1)
        self.route.save()
        alert = make_alert()
        for hour in range(3):
            notify_changes(T0 + timedelta(hours=hour))
            self.sent()
        change(alert, AlertStatus.ACKNOWLEDGED)
        notify_changes(T0 + timedelta(hours=3))
        notify_changes(T0 + timedelta(hours=9))
        self.assertEqual([kind for kind, _ in self.messages()], ["firing", "reminder", "reminder"])
        self.assertIsNone(NotificationState.objects.get().remind_at)

    def test_what_recurs_after_it_was_acknowledged_is_notified_once_more(self) -> None:
        alert = make_alert()
        notify_changes(T0)
        self.sent()
        change(alert, AlertStatus.ACKNOWLEDGED, T0 + minutes(1))
        notify_changes(T0 + minutes(1))
        change(alert, AlertStatus.FIRING, T0 + minutes(2))
        for minute in (2, 3):
            notify_changes(T0 + minutes(minute))
            self.sent()
        self.assertEqual(self.messages(), [("firing", 1), ("firing", 1)])

    def test_a_silence_puts_a_reminder_off_and_does_not_end_them(self) -> None:
        self.route.remind_every = timedelta(hours=1)
        self.route.save()
        make_alert()
        notify_changes(T0)
        self.sent()
        ends_at = T0 + minutes(90)
        Silence.objects.create(comment="moving", starts_at=T0 + minutes(1), ends_at=ends_at)
        notify_changes(ends_at - minutes(1))
        self.assertEqual(self.messages(), [("firing", 1)])
        notify_changes(ends_at + REMINDER_RECHECK)
        self.assertEqual(self.messages(), [("firing", 1), ("reminder", 1)])

    def test_reminders_go_on_after_a_channel_was_off(self) -> None:
        self.route.remind_every = timedelta(hours=1)
        self.route.save()
        make_alert()
        notify_changes(T0)
        self.sent()
        Channel.objects.update(enabled=False)
        notify_changes(T0 + minutes(90))
        Channel.objects.update(enabled=True)
        notify_changes(T0 + minutes(90) + REMINDER_RECHECK)
        self.assertEqual([kind for kind, _ in self.messages()], ["firing", "reminder"])

    def test_a_zone_that_is_unknown_keeps_nothing_quiet_and_nobody_untold(self) -> None:
        make_route(
            make_webhook(name="other"),
            quiet_from=time(0),
            quiet_to=time(23),
            time_zone="Europe/Nil",
        )
        make_alert()
        notify_changes(T0)
        waits_until = Notification.objects.values_list("next_attempt_at", flat=True)
        self.assertEqual(list(waits_until), [T0, T0])

    def test_a_new_route_hears_of_what_stands(self) -> None:
        make_alert()
        self.route.delete()
        notify_changes(T0)
        self.assertEqual(self.messages(), [])
        make_route(self.hook)
        notify_open_alerts(T0)
        self.assertEqual(self.messages(), [("firing", 1)])

    def test_a_channel_that_is_off_gets_nothing_and_later_what_still_stands(self) -> None:
        self.hook.enabled = False
        self.hook.save()
        make_alert()
        notify_changes(T0)
        self.assertEqual(self.messages(), [])
        self.hook.enabled = True
        self.hook.save()
        notify_open_alerts(T0)
        self.assertEqual(self.messages(), [("firing", 1)])

    def test_each_channel_is_notified_by_one_of_its_routes(self) -> None:
        make_route(self.hook, digest_every=timedelta(hours=1))
        make_route(make_webhook(name="other"), digest_every=timedelta(hours=1))
        make_alert()
        notify_changes(T0)
        kinds = Notification.objects.values_list("channel__name", "kind").order_by("id")
        self.assertEqual(set(kinds), {("hook", "firing"), ("other", "digest")})

    def test_a_digest_collects_until_it_leaves(self) -> None:
        self.route.digest_every = timedelta(hours=1)
        self.route.save()
        first = make_alert("orders-1")
        notify_changes(T0)
        make_alert("orders-2")
        change(first, AlertStatus.RESOLVED)
        notify_changes(T0 + minutes(30))
        self.assertEqual(self.messages(), [("digest", 2)])
        due = Notification.objects.get().next_attempt_at
        self.assertEqual(due, T0 + timedelta(hours=1))

    def test_what_gets_worse_is_notified_again(self) -> None:
        alert = make_alert(severity=Severity.WARNING)
        notify_changes(T0)
        self.sent()
        alert.severity = Severity.EMERGENCY
        change(alert, AlertStatus.FIRING)
        notify_changes(T0)
        self.assertEqual(
            [kind for kind, _ in self.messages()], ["firing", NotificationKind.ESCALATION]
        )

    def test_what_dips_below_its_route_is_notified_when_it_is_back(self) -> None:
        alert = self.notified_emergency()
        self.become(alert, Severity.WARNING, hours(1))
        self.become(alert, Severity.EMERGENCY, hours(24))
        notify_changes(T0 + hours(25))
        self.assertEqual([kind for kind, _ in self.messages()], ["firing", "escalation"])

    def test_what_is_back_too_soon_is_notified_later(self) -> None:
        alert = self.notified_emergency()
        self.become(alert, Severity.WARNING, minutes(10))
        self.become(alert, Severity.EMERGENCY, minutes(20))
        notify_open_alerts(T0 + minutes(59))
        self.assertEqual(self.messages(), [("firing", 1)])
        for minute in (60, 65):
            notify_open_alerts(T0 + minutes(minute))
            self.sent()
        self.assertEqual(self.messages(), [("firing", 1), ("escalation", 1)])

    def test_reminders_go_on_after_a_time_in_which_no_route_fits(self) -> None:
        self.notified_emergency(remind_every=hours(12))
        self.route.rules = ["job_lost"]
        self.route.save()
        notify_changes(T0 + hours(12))
        self.route.rules = []
        self.route.save()
        notify_changes(T0 + hours(12) + REMINDER_RECHECK)
        self.assertEqual([kind for kind, _ in self.messages()], ["firing", "reminder"])

    def test_the_recovery_of_what_became_milder_is_notified(self) -> None:
        alert = self.notified_emergency()
        self.become(alert, Severity.WARNING, hours(1))
        change(alert, AlertStatus.RESOLVED, T0 + hours(2))
        notify_changes(T0 + hours(2))
        self.assertEqual([kind for kind, _ in self.messages()], ["firing", "recovery"])

    def notified_emergency(self, **columns: timedelta) -> Alert:
        """Have an emergency notified by a route for nothing milder."""
        self.route.delete()
        self.route = make_route(self.hook, min_severity=Severity.EMERGENCY, **columns)
        alert = make_alert(severity=Severity.EMERGENCY)
        notify_changes(T0)
        self.sent()
        return alert

    def become(self, alert: Alert, severity: Severity, after: timedelta) -> None:
        alert.severity = severity
        change(alert, AlertStatus.FIRING, T0 + after)
        notify_changes(T0 + after)
        self.sent()

    def test_no_reminder_tells_of_the_end_of_what_was_taken_over(self) -> None:
        self.route.remind_every = hours(12)
        self.route.save()
        failed = make_alert()
        notify_changes(T0)
        self.sent()
        lost = make_alert(rule="job_lost", at=T0 + hours(1))
        change(failed, AlertStatus.RESOLVED, T0 + hours(1))
        notify_changes(T0 + hours(1))
        self.sent()
        change(lost, AlertStatus.RESOLVED, T0 + hours(2))
        notify_changes(T0 + hours(2))
        self.sent()
        notify_changes(T0 + hours(13))
        self.assertEqual([kind for kind, _ in self.messages()], ["firing", "firing", "recovery"])

    def test_the_recovery_is_notified_though_a_later_message_waits(self) -> None:
        alert = make_alert(severity=Severity.WARNING)
        notify_changes(T0)
        self.sent()
        alert.severity = Severity.CRITICAL
        change(alert, AlertStatus.FIRING)
        notify_changes(T0)
        change(alert, AlertStatus.RESOLVED)
        notify_changes(T0)
        self.assertEqual(
            [kind for kind, _ in self.messages()], ["firing", "escalation", "recovery"]
        )

    def test_the_cost_does_not_grow_with_the_alerts(self) -> None:
        for number in range(3):
            make_alert(f"few-{number}", cause="repository:2")
        with self.assertNumQueries(FEW := 19):
            notify_changes(T0)
        self.sent()
        for number in range(60):
            make_alert(f"many-{number}", cause="repository:3")
        with self.assertNumQueries(FEW):
            notify_changes(T0)
