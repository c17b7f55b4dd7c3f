"""Alerts on pages: order, filters, what a page tells of one, and acknowledging."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse
from django.utils.timezone import now

from alerts.models import Alert, Notification, Route, Silence
from alerts.routing.silences import load_silences, silence_of, with_traits
from alerts.states import AlertStatus, NotificationKind, NotificationStatus, Severity
from backups.models import Activity, Instance, InstanceGroup, Tag
from monitor.selectors.alert import compare_facts
from monitor.selectors.silenced import silenced_q
from tests.alerts.rows import make_alert, make_route, make_webhook
from tests.monitor.planning import HOUR, make_schedule
from tests.monitor.rows import make_instance, make_user


class AlertPagesTestCase(TestCase):
    olga: User
    victor: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.olga = make_user("olga", "operator")
        cls.victor = make_user("victor", "viewer")

    def setUp(self) -> None:
        self.client.force_login(self.olga)

    def names(self, query: str = "", page: str = "alerts") -> list[str]:
        rows = self.client.get(f"{reverse(page)}{query}").context["alerts"].rows
        return [row.alert.subject_name for row in rows]

    def test_without_an_instance_it_is_not_said_that_no_rule_has_a_finding(self) -> None:
        response = self.client.get(reverse("alerts"))
        self.assertContains(response, "No instance yet")
        self.assertNotContains(response, "No rule has a finding")
        self.assertNotContains(response, reverse("setting-instance-add"))
        self.client.force_login(make_user("ada", "admin"))
        self.assertContains(self.client.get(reverse("alerts")), reverse("setting-instance-add"))

    def test_without_a_finding_it_is_said_and_whether_anybody_would_be_notified(self) -> None:
        make_instance("orders-1")
        response = self.client.get(reverse("alerts"))
        self.assertContains(response, "No rule has a finding")
        self.assertContains(response, "Nobody is notified of alerts")
        route = make_route(make_webhook())
        self.assertNotContains(self.client.get(reverse("alerts")), "Nobody is notified")
        Route.objects.filter(pk=route.pk).update(enabled=False)
        self.assertContains(self.client.get(reverse("alerts")), "Nobody is notified")

    def test_the_worst_comes_first_and_of_those_the_oldest(self) -> None:
        at = now()
        make_alert("new", at=at - HOUR)
        make_alert("old", at=at - 5 * HOUR)
        make_alert("worst", at=at, severity=Severity.EMERGENCY)
        make_alert("mild", at=at - 9 * HOUR, severity=Severity.NOTICE)
        make_alert("over", status=AlertStatus.RESOLVED)
        self.assertEqual(self.names(), ["worst", "old", "new", "mild"])
        self.assertEqual(self.names(page="alert-history"), ["over"])

    def test_every_filter_is_in_the_address(self) -> None:
        make_alert("orders-1", rule="job_failed")
        make_alert(
            "billing-1", rule="lock_time", severity=Severity.NOTICE, status=AlertStatus.ACKNOWLEDGED
        )
        billing = Instance.objects.get(name="billing-1")
        billing.groups.add(InstanceGroup.objects.create(name="billing"))
        billing.tags.add(Tag.objects.create(name="pci"))
        Silence.objects.create(comment="x", rule="lock_time", starts_at=now() - HOUR)
        for query, found in (
            ("?severity=30", ["orders-1"]),
            ("?rule=lock_time", ["billing-1"]),
            ("?group=billing", ["billing-1"]),
            ("?tag=pci", ["billing-1"]),
            ("?instance=orders-1", ["orders-1"]),
            ("?status=acknowledged", ["billing-1"]),
            ("?silenced=yes", ["billing-1"]),
            ("?silenced=no", ["orders-1"]),
            ("?severity=nonsense&group=nothing", ["orders-1", "billing-1"]),
        ):
            with self.subTest(query):
                self.assertEqual(self.names(query), found)

    def test_the_database_says_of_silences_what_the_matcher_says(self) -> None:
        at = now()
        shop, prod = InstanceGroup.objects.create(name="shop"), Tag.objects.create(name="prod")
        nightly = make_schedule("nightly")
        for n in range(8):
            alert = make_alert(f"i{n}", rule=f"r{n % 2}", severity=list(Severity)[n % 4])
            instance = Instance.objects.get(name=f"i{n}")
            if n % 3 == 0:
                instance.groups.add(shop)
            if n % 3 == 1:
                instance.tags.add(prod)
            if n > 5:
                Alert.objects.filter(pk=alert.pk).update(schedule=nightly, instance=None)
        for columns, groups, tags, schedules in (
            ({}, [], [], []),
            ({"rule": "r1"}, [], [], []),
            ({"max_severity": Severity.WARNING}, [], [], []),
            ({}, [shop], [], []),
            ({}, [shop], [prod], []),
            ({"max_severity": Severity.CRITICAL}, [], [prod], []),
            ({}, [], [], [nightly]),
            ({"starts_at": at + HOUR}, [], [], []),
            ({"ends_at": at - HOUR}, [], [], []),
        ):
            with self.subTest(f"{columns} {groups} {tags} {schedules}"):
                Silence.objects.all().delete()
                row = Silence.objects.create(comment="x", **{"starts_at": at - 2 * HOUR, **columns})
                row.groups.set(groups)
                row.tags.set(tags)
                row.schedules.set(schedules)
                silences = load_silences(at)
                alerts = with_traits(Alert.objects.all())
                one_by_one = {a.pk for a in alerts if silence_of(a, silences, at)}
                asked = set(
                    Alert.objects.filter(silenced_q(silences, at)).values_list("pk", flat=True)
                )
                self.assertEqual(asked, one_by_one)

    def test_many_are_acknowledged_with_one_comment(self) -> None:
        alerts = [make_alert(f"orders-{n}") for n in range(3)]
        given = {"alert": [a.pk for a in alerts[:2]], "comment": "disk is coming"}
        response = self.client.post(reverse("alerts-acknowledge"), given, follow=True)
        self.assertContains(response, "2 acknowledged.")
        seen = Alert.objects.filter(status=AlertStatus.ACKNOWLEDGED)
        self.assertEqual(
            set(seen.values_list("acknowledged_by", "comment")), {(self.olga.pk, "disk is coming")}
        )
        self.assertEqual(seen.count(), 2)
        self.assertEqual(Activity.objects.filter(verb="acknowledged").count(), 2)

    def test_what_was_over_or_seen_is_said_and_stays(self) -> None:
        over = make_alert("over", status=AlertStatus.RESOLVED)
        seen = make_alert("seen", status=AlertStatus.ACKNOWLEDGED)
        given = {"alert": [over.pk, seen.pk, "x", "9" * 30]}
        response = self.client.post(reverse("alerts-acknowledge"), given, follow=True)
        self.assertContains(response, "0 acknowledged; 2")
        over.refresh_from_db()
        self.assertEqual(over.status, AlertStatus.RESOLVED)

    def test_it_leads_back_to_the_list_and_never_elsewhere(self) -> None:
        for page, target in (
            ("/alerts/?page=2", "/alerts/?page=2"),
            ("//evil.example/", "/alerts/"),
            ("abc", "/alerts/"),
            ("fleet", "/alerts/"),
        ):
            with self.subTest(page):
                response = self.client.post(reverse("alerts-acknowledge"), {"next": page})
                self.assertEqual(response["Location"], target)

    def test_one_page_tells_everything_of_an_alert(self) -> None:
        alert = make_alert("orders-1")
        Alert.objects.filter(pk=alert.pk).update(
            explanation="a backup is not there",
            first_facts={"missed_in_a_row": 1},
            facts={"missed_in_a_row": 3},
        )
        notification = Notification.objects.create(
            channel=make_webhook(), kind=NotificationKind.FIRING, dedupe_key="k", attempts=2,
            status=NotificationStatus.DELIVERED, response="200 thank you", next_attempt_at=None,
        )  # fmt: skip
        notification.alerts.add(alert)
        response = self.client.get(reverse("alert-detail", args=[alert.pk]))
        for words in (
            "a backup is not there", "Read the job&#x27;s log.", "missed in a row",
            "200 thank you", "2 attempts", "silence/?rule=job_failed&amp;instances=orders-1",
        ):  # fmt: skip
            with self.subTest(words):
                self.assertContains(response, words)

    def test_facts_stand_side_by_side(self) -> None:
        alert = Alert(first_facts={"a": 1, "gone": 2}, facts={"new": 3, "a": 1})
        found = [(row.name, row.first, row.now, row.changed) for row in compare_facts(alert)]
        self.assertEqual(
            found, [("new", None, 3, True), ("a", 1, 1, False), ("gone", 2, None, True)]
        )

    def test_a_viewer_reads_and_has_no_buttons(self) -> None:
        alert = make_alert("orders-1")
        self.client.force_login(self.victor)
        for page in (reverse("alerts"), reverse("alert-detail", args=[alert.pk])):
            self.assertNotContains(self.client.get(page), "acknowledge/")

    def test_silencing_from_here_fills_the_form(self) -> None:
        make_alert("orders-1")
        form = self.client.get(
            f"{reverse('silence-add')}?rule=job_failed&instances=orders-1"
        ).context["form"]
        self.assertEqual(form["rule"].value(), "job_failed")
        self.assertEqual(form["instances"].value(), "orders-1")

    def test_an_alert_without_an_instance_or_a_known_rule_has_a_page_too(self) -> None:
        alert = make_alert("orders-1", rule="gone_rule")
        Alert.objects.filter(pk=alert.pk).update(instance=None)
        self.assertContains(self.client.get(reverse("alert-detail", args=[alert.pk])), "gone_rule")
        self.assertContains(self.client.get(reverse("alerts")), "gone_rule")

    def test_moments_among_the_facts_are_written_for_people(self) -> None:
        alert = make_alert("orders-1")
        at = now() - timedelta(days=1)
        Alert.objects.filter(pk=alert.pk).update(
            facts={"due_at": at.isoformat(), "x": "2026-13-99T1"}
        )
        response = self.client.get(reverse("alert-detail", args=[alert.pk]))
        self.assertContains(response, f"{at:%Y-%m-%d %H:%M:%S}")
