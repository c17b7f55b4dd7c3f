"""Channels and routes on pages: round trips, secrets that never come back, the real answer."""

from __future__ import annotations

from datetime import time, timedelta

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse
from django.utils.timezone import now

from alerts.delivery.channels import values_of
from alerts.models import Channel, Notification, Route
from alerts.states import NotificationStatus, Severity
from backups.models import Activity, InstanceGroup
from monitor.selectors.channels import RouteRow
from tests.alerts.rows import SECRET, make_webhook
from tests.monitor.rows import make_user

MAIL = {
    "name": "dba-mail", "enabled": "on", "value_recipients": "dba@example.com",
    "value_sender": "mooring@example.com", "value_host": "mail.example.com", "value_port": "587",
    "value_security": "starttls", "value_user": "mooring", "value_password": "s3cret words",
}  # fmt: skip
ROUTE = {"enabled": "on", "min_severity": "20", "time_zone": "UTC", "remind_every": "12h"}


class ChannelPagesTestCase(TestCase):
    ada: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = make_user("ada", "admin")

    def setUp(self) -> None:
        self.client.force_login(self.ada)

    def test_links_that_lead_elsewhere_are_pointed_out(self) -> None:
        with self.settings(SITE_URL="http://localhost:8000"):
            response = self.client.get(reverse("channels"))
            self.assertContains(response, "MOORING_URL=http://testserver")
        with self.settings(SITE_URL="http://testserver"):
            response = self.client.get(reverse("channels"))
            self.assertNotContains(response, "MOORING_URL")

    def test_two_names_of_this_host_lead_to_the_same_site(self) -> None:
        for host, hint in (("127.0.0.1:8000", False), ("[::1]:8000", False), ("127.0.0.1:1", True)):
            with self.subTest(host), self.settings(SITE_URL="http://localhost:8000"):
                response = self.client.get(reverse("channels"), headers={"host": host})
                self.assertEqual(b"MOORING_URL" in response.content, hint)

    def test_an_empty_list_offers_every_kind(self) -> None:
        response = self.client.get(reverse("channels"))
        for kind in ("email", "webhook", "apprise"):
            self.assertContains(response, reverse("channel-add", args=[kind]))

    def test_a_channel_is_stored_and_its_secret_never_shown_again(self) -> None:
        self.client.post(reverse("channel-add", args=["email"]), MAIL)
        channel = Channel.objects.get(name="dba-mail")
        self.assertEqual(values_of(channel)["password"], "s3cret words")
        self.assertNotIn("password", channel.settings)
        for page in ("channels", "channel-detail", "channel-edit"):
            arguments = [] if page == "channels" else ["dba-mail"]
            response = self.client.get(reverse(page, args=arguments))
            self.assertNotContains(response, "s3cret words")
        details = str(list(Activity.objects.values_list("details", flat=True)))
        self.assertNotIn("s3cret", details)

    def test_of_a_webhooks_address_only_its_host_is_shown(self) -> None:
        make_webhook("https://hooks.example.com:8443/services/T0/s3cret?key=s3cret")
        form = self.client.get(reverse("channel-add", args=["webhook"]))
        self.assertContains(form, "only admins see all of it")
        self.client.force_login(make_user("victor", "viewer"))
        response = self.client.get(reverse("channel-detail", args=["hook"]))
        self.assertContains(response, "https://hooks.example.com:8443/…")
        self.assertNotContains(response, "s3cret")
        self.assertNotContains(self.client.get(reverse("channels")), "s3cret")
        edit = self.client.get(reverse("channel-edit", args=["hook"]))
        self.assertEqual(edit.status_code, 403)

    def test_a_blank_secret_keeps_the_present_one(self) -> None:
        self.client.post(reverse("channel-add", args=["email"]), MAIL)
        given = {**MAIL, "value_password": "", "value_host": "mx.example.com"}
        self.client.post(reverse("channel-edit", args=["dba-mail"]), given)
        found = values_of(Channel.objects.get())
        self.assertEqual((found["password"], found["host"]), ("s3cret words", "mx.example.com"))

    def test_a_refused_form_sends_no_secret_back(self) -> None:
        for kind, given in (
            ("email", {**MAIL, "value_port": "none"}),
            ("webhook", {"name": "hook", "value_url": "nothing", "value_secret": "s3cret words s3",
                         "value_headers": "X-Key: s3cret words"}),
        ):  # fmt: skip
            with self.subTest(kind):
                response = self.client.post(reverse("channel-add", args=[kind]), given)
                self.assertEqual(response.status_code, 422)
                self.assertNotContains(response, "s3cret words", status_code=422)
        self.assertEqual(Channel.objects.count(), 0)

    def test_what_the_kind_refuses_is_said(self) -> None:
        given = {**MAIL, "value_recipients": "nobody"}
        response = self.client.post(reverse("channel-add", args=["email"]), given)
        self.assertContains(response, "is not an e-mail address", status_code=422)

    def test_switching_on_again_forgets_why_it_was_off(self) -> None:
        channel = make_webhook("https://hooks.example.com/")
        Channel.objects.update(enabled=False, disabled_reason="410 gone", disabled_at=now())
        self.assertContains(self.client.get(reverse("channels")), "410 gone")
        self.assertContains(self.client.get(reverse("channel-detail", args=["hook"])), "410 gone")
        given = {"name": "hook", "enabled": "on", "value_url": "https://hooks.example.com/"}
        self.client.post(reverse("channel-edit", args=["hook"]), given)
        channel.refresh_from_db()
        self.assertEqual((channel.enabled, channel.disabled_reason), (True, ""))
        self.assertEqual(values_of(channel)["secret"], SECRET)

    def test_a_test_shows_what_really_came_of_it(self) -> None:
        make_webhook("http://127.0.0.1:9/")
        response = self.client.post(reverse("channel-test", args=["hook"]), follow=True)
        self.assertContains(response, "The test was not delivered")
        sent = Notification.objects.get()
        self.assertEqual(sent.status, NotificationStatus.FAILED)
        self.assertContains(response, sent.response)

    def test_deleting_needs_its_name(self) -> None:
        make_webhook()
        address = reverse("channel-delete", args=["hook"])
        self.client.post(address, {"confirm_name": "wrong"})
        self.assertEqual(Channel.objects.count(), 1)
        self.client.post(address, {"confirm_name": "hook"})
        self.assertEqual(Channel.objects.count(), 0)

    def test_a_route_is_stored_and_said_in_words(self) -> None:
        make_webhook()
        group = InstanceGroup.objects.create(name="shop")
        given = {
            **ROUTE, "rules": ["job_failed"], "groups": [group.pk], "digest_every": "1d",
            "quiet_from": "22:00", "quiet_to": "06:30", "time_zone": "Europe/Berlin",
        }  # fmt: skip
        self.client.post(reverse("route-add", args=["hook"]), given)
        route = Route.objects.get()
        self.assertEqual((route.quiet_from, route.digest_every), (time(22), timedelta(days=1)))
        self.assertEqual(route.notify_recovery, False)
        row = RouteRow(route)
        self.assertEqual(row.what, "Warning and above of Job failed, group shop")
        self.assertEqual(
            row.how,
            "digest every 1 d, reminder every 12 h, without recoveries, "
            "quiet hours 22:00–06:30 Europe/Berlin except emergencies",
        )
        page = self.client.get(reverse("route-edit", args=["hook", route.pk]))
        self.assertContains(page, 'value="22:00"')

    def test_each_fault_of_a_route_stands_beside_its_field(self) -> None:
        make_webhook()
        for changes, words in (
            ({"quiet_from": "22:00"}, "need a start and an end"),
            ({"time_zone": "Europe/Nowhere"}, "Unknown time zone"),
            ({"digest_every": "5s"}, "Must be at least one minute."),
            ({"rules": ["nothing"]}, "not one of the available choices"),
        ):
            with self.subTest(words):
                response = self.client.post(
                    reverse("route-add", args=["hook"]), {**ROUTE, **changes}
                )
                self.assertContains(response, words, status_code=422)
        self.assertEqual(Route.objects.count(), 0)

    def test_a_route_belongs_to_its_channel(self) -> None:
        route = Route.objects.create(channel=make_webhook(), min_severity=Severity.NOTICE)
        make_webhook(name="other")
        address = reverse("route-delete", args=["other", route.pk])
        self.assertEqual(self.client.post(address).status_code, 404)
        self.client.post(reverse("route-delete", args=["hook", route.pk]))
        self.assertEqual(Route.objects.count(), 0)
