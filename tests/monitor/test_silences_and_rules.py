"""Silences and settings of rules on pages: round trips, and what would be said now."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse
from django.utils.timezone import now

from alerts.models import Alert, RuleSetting, Silence
from alerts.rules import RULES
from alerts.states import Severity
from backups.models import InstanceGroup
from tests.alerts.rows import make_route, make_webhook
from tests.monitor.planning import DAY, HOUR
from tests.monitor.rows import make_instance, make_user


class SilencePagesTestCase(TestCase):
    olga: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.olga = make_user("olga", "operator")
        make_instance("orders-1")

    def setUp(self) -> None:
        self.client.force_login(self.olga)

    def typed(self, **changes: object) -> dict[str, object]:
        return {
            "comment": "patching", "rule": "", "max_severity": "30", "instances": "orders-1",
            "starts_at": f"{now():%Y-%m-%dT%H:%M}", "ends_at": "", "cron": "", "duration": "",
            "time_zone": "UTC", **changes,
        }  # fmt: skip

    def test_a_silence_is_stored_and_says_what_it_matches(self) -> None:
        given = self.typed(rule="lock_time", cron="0 2 * * 0", duration="3h")
        self.client.post(reverse("silence-add"), given)
        row = Silence.objects.get()
        self.assertEqual((row.created_by, row.duration), (self.olga, timedelta(hours=3)))
        response = self.client.get(reverse("silences"))
        self.assertContains(response, "instance orders-1; up to critical")
        self.assertContains(response, "Sunday at 02:00")

    def test_the_states(self) -> None:
        at = now()
        for comment, begins, ends in (
            ("active", at - HOUR, at + HOUR),
            ("endless", at - HOUR, None),
            ("coming", at + HOUR, at + DAY),
            ("past", at - DAY, at - HOUR),
        ):
            Silence.objects.create(comment=comment, starts_at=begins, ends_at=ends)
        for state, found in (
            ("active", {"active", "endless"}),
            ("coming", {"coming"}),
            ("past", {"past"}),
        ):
            with self.subTest(state):
                page = self.client.get(f"{reverse('silences')}?state={state}").context["silences"]
                self.assertEqual({row.silence.comment for row in page.rows}, found)

    def test_without_a_route_it_is_not_said_that_anybody_is_notified(self) -> None:
        response = self.client.get(reverse("silences"))
        self.assertContains(response, "Nobody is notified of alerts")
        self.assertNotContains(response, "channels are notified")
        make_route(make_webhook())
        response = self.client.get(reverse("silences"))
        self.assertContains(response, "the channels are notified of the alerts")
        self.assertNotContains(response, "Nobody is notified")

    def test_ending_ends_now(self) -> None:
        row = Silence.objects.create(comment="x", starts_at=now() - HOUR)
        self.client.post(reverse("silence-end", args=[row.pk]))
        row.refresh_from_db()
        assert row.ends_at is not None
        self.assertLessEqual(row.ends_at, now())
        ended = row.ends_at
        self.client.post(reverse("silence-end", args=[row.pk]))
        row.refresh_from_db()
        self.assertEqual(row.ends_at, ended)

    def test_each_fault_stands_beside_its_field(self) -> None:
        past = now() - DAY
        for changes, words in (
            ({"comment": ""}, "This field is required."),
            ({"ends_at": f"{past:%Y-%m-%dT%H:%M}"}, "The end must be after the start"),
            ({"cron": "0 2 * * 0"}, "needs a duration"),
            ({"cron": "0 2", "duration": "1h"}, "has 2 fields"),
            ({"cron": "0 2 * * 0", "duration": "1h", "time_zone": "X/Y"}, "no time zone"),
            ({"cron": "0 2 * * 0", "duration": "800000d"}, "This is not a length of time."),
            ({"instances": "nobody"}, "Unknown instance: nobody."),
        ):
            with self.subTest(words):
                response = self.client.post(reverse("silence-add"), self.typed(**changes))
                self.assertContains(response, words, status_code=422)
        self.assertEqual(Silence.objects.count(), 0)

    def test_the_preview_lists_its_next_times_until_its_end(self) -> None:
        ends = f"{now() + timedelta(days=2, hours=12):%Y-%m-%dT%H:%M}"
        given = self.typed(cron="0 2 * * *", duration="3h", ends_at=ends)
        for address in (reverse("silence-preview"), reverse("silence-add")):
            response = self.client.post(address, {**given, "preview": "1"})
            self.assertIn(len(response.context["times"]), (2, 3))
        self.assertEqual(Silence.objects.count(), 0)


class RulePagesTestCase(TestCase):
    ada: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = make_user("ada", "admin")

    def setUp(self) -> None:
        self.client.force_login(self.ada)

    def test_every_rule_is_listed_and_has_a_page(self) -> None:
        listed = self.client.get(reverse("rules"))
        for name, rule in RULES.items():
            with self.subTest(name):
                self.assertContains(listed, reverse("rule-detail", args=[name]))
                page = self.client.get(reverse("rule-detail", args=[name]))
                self.assertEqual(page.context["rule"], rule)

    def test_a_dry_run_says_what_would_be_said_and_writes_nothing(self) -> None:
        make_instance("orders-1")
        response = self.client.get(f"{reverse('rule-detail', args=['not_covered'])}?dry_run")
        self.assertContains(response, "orders-1")
        rows = self.client.get(f"{reverse('rules')}?dry_run").context["rows"]
        counts = {row.rule.name: row.preview.count for row in rows}
        self.assertEqual(counts["not_covered"], 1)
        self.assertEqual(Alert.objects.count(), 0)

    def test_a_setting_for_all_and_an_exception_come_back_in_words(self) -> None:
        group = InstanceGroup.objects.create(name="archive")
        address = reverse("rule-setting-add", args=["lock_time"])
        self.client.post(address, {"limit_warning": "30", "limit_notice": "off"})
        self.client.post(address, {"group": "archive", "switched": "no", "pending_for": "5m"})
        everywhere, narrow = RuleSetting.objects.order_by("id")
        self.assertEqual(everywhere.thresholds, {"warning": 30, "notice": None})
        self.assertEqual((narrow.group, narrow.enabled), (group, False))
        view = self.client.get(reverse("rule-detail", args=["lock_time"])).context["view"]
        self.assertEqual(
            [(setting.scope, setting.words) for setting in view.settings],
            [
                ("Whole fleet", "notice from off, warning from 30 s"),
                ("Group archive", "off, fires after 5 min"),
            ],
        )
        own = {
            threshold.threshold.name: (threshold.words, threshold.own)
            for threshold in view.row.thresholds
        }
        self.assertEqual(own["warning"], ("30 s", True))
        self.assertEqual(view.row.exceptions, 1)

    def test_an_edit_shows_and_changes_what_is_stored(self) -> None:
        instance = make_instance("orders-1")
        row = RuleSetting.objects.create(
            rule="lock_time", instance=instance, severity=Severity.CRITICAL,
            thresholds={"warning": None},
        )  # fmt: skip
        address = reverse("rule-setting-edit", args=["lock_time", row.pk])
        form = self.client.get(address).context["form"]
        self.assertEqual(form["instance_names"].value(), "orders-1")
        self.assertEqual(form["limit_warning"].value(), "off")
        self.client.post(address, {"instance_names": "orders-1", "limit_warning": "2.5"})
        row.refresh_from_db()
        self.assertEqual((row.thresholds, row.severity), ({"warning": 2.5}, None))
        self.client.post(reverse("rule-setting-delete", args=["lock_time", row.pk]))
        self.assertEqual(RuleSetting.objects.count(), 0)

    def test_each_fault_is_said(self) -> None:
        InstanceGroup.objects.create(name="archive")
        make_instance("orders-1")
        make_instance("orders-2")
        RuleSetting.objects.create(rule="lock_time", enabled=False)
        address = reverse("rule-setting-add", args=["lock_time"])
        for given, words in (
            ({"limit_warning": "soon"}, "Enter a number, or off."),
            ({"limit_warning": "-1"}, "Enter a number of 0 or more."),
            ({"limit_warning": "nan"}, "Enter a number of 0 or more."),
            ({"group": "archive", "instance_names": "orders-1"}, "at most one"),
            ({"group": "archive"}, "Change at least one value"),
            ({"instance_names": "orders-1 orders-2"}, "for several, use a group"),
            ({"switched": "yes"}, "already exists: edit that"),
        ):
            with self.subTest(words):
                response = self.client.post(address, given)
                self.assertContains(response, words, status_code=422)
        self.assertEqual(RuleSetting.objects.count(), 1)
