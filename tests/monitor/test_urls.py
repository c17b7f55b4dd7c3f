"""Every address has a rule, and the rule holds."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import URLPattern, reverse
from django.utils.timezone import now

from backups.models import Approval, InstanceGroup, TableOpening
from backups.models.wanted_copy import WantCause
from backups.states import JobStatus
from backups.transitions.wanted_copies import want_copy
from monitor.access.roles import Role
from monitor.urls import urlpatterns
from tests.monitor.planning import make_addressed
from tests.monitor.rows import make_backup, make_instance, make_job, make_repository, make_user

PUBLIC = {"login", "logout", "healthz"}
# They answer GET with a form and POST with its outcome.
OPERATED_FORMS = {"silence-add", "silence-edit", "kept-continue"}
ADMIN_FORMS = {
    "schedule-add", "schedule-edit", "channel-add", "channel-edit", "route-add", "route-edit",
    "rule-setting-add", "rule-setting-edit", "setting-instance-add", "setting-instance-edit",
    "setting-repository-add", "setting-repository-edit", "setting-group-add", "setting-group-edit",
    "setting-objective-add", "setting-objective-edit",
}  # fmt: skip
FORMS = OPERATED_FORMS | ADMIN_FORMS
OPERATED = OPERATED_FORMS | {
    "instance-backup", "job-cancel", "job-pace", "copy-verify", "copy-restore-test",
    "copy-consolidate", "schedule-pause",
    "schedule-resume", "schedule-start", "alert-acknowledge", "alerts-acknowledge",
    "silence-preview", "silence-end", "instance-doctor", "job-again", "backup-pin", "copy-purge",
    "restore-start", "table-restore-start", "backup-hold", "kept-remove", "missing-copy-give-up",
    "backup-copy", "copy-keep",
}  # fmt: skip
# What readers change is their own: how the site looks.
ADMIN_POSTS = {
    "schedule-preview", "channel-test", "channel-delete", "route-delete", "rule-setting-delete",
    "setting-instance-test", "setting-instance-delete", "setting-repository-delete",
    "setting-group-delete", "setting-objective-delete", "instance-confirm-server",
    "instance-confirm-files", "expiry-confirm", "copy-accept", "approval-decide",
    "backup-table-open", "opening-close", "backup-compare-open", "opening-compare-close",
}  # fmt: skip
POSTS = (OPERATED - FORMS) | ADMIN_POSTS | {"preferences"}
# Looked at, but not by everybody.
OPERATED_PAGES = {
    "restore-wizard", "table-restore", "backup-inside-stored", "backup-compare",
    "backup-compare-tables",
}  # fmt: skip
ADMIN_PAGES = {
    "styleguide", "settings", "setting-groups", "setting-objectives", "setting-repositories",
    "setting-grants",
    "expiry", "copy-changed", "opening-detail", "opening-live",
    "opening-compare", "opening-compare-live", "opening-compare-rows",
}  # fmt: skip
ADMINS = ADMIN_PAGES | ADMIN_FORMS | ADMIN_POSTS


def pages() -> list[URLPattern]:
    """Return every page of ours; the admin guards its own."""
    return [pattern for pattern in urlpatterns if isinstance(pattern, URLPattern)]


class EveryAddressTestCase(TestCase):
    victor: User
    olga: User
    ada: User
    arguments: dict[str, str | int]

    @classmethod
    def setUpTestData(cls) -> None:
        cls.victor = make_user("victor", "viewer")
        cls.olga = make_user("olga", "operator")
        cls.ada = make_user("ada", "admin")
        instance = make_instance("orders-1")
        # One name leads to an instance, a repository and a group alike.
        copy = make_backup(instance, make_repository("orders-1"))
        instance.groups.create(name="orders-1")
        job = make_job(instance, JobStatus.RUNNING)
        later = make_backup(instance, copy.repository, age=timedelta(hours=1))
        cls.arguments = {
            "name": instance.name,
            "pk": job.pk,
            "label": copy.backup.label,
            "copy": copy.pk,
            "wanted": want_copy(copy.backup, make_repository("away"), WantCause.FAILED).pk,
            "approval": Approval.objects.create(
                kind="purge", repository=copy.repository, copy=copy, expires_at=now(), facts={}
            ).pk,
            "opening": TableOpening.objects.create(
                copy=copy, schema="shop", name="orders", requested_by="ada"
            ).pk,
            "other": TableOpening.objects.create(
                copy=later, schema="shop", name="orders", requested_by="ada"
            ).pk,
            "group": InstanceGroup.objects.create(name="shop").name,
            # Schedules and channels are addressed by name, too.
            **make_addressed(instance),
        }

    def address(self, page: URLPattern) -> str:
        wanted = page.pattern.converters
        assert page.name
        address = reverse(page.name, kwargs={name: self.arguments[name] for name in wanted})
        return f"{address}?after=0" if page.name == "job-log" else address

    def test_every_page_has_a_rule(self) -> None:
        for page in pages():
            with self.subTest(page.name):
                self.assertTrue(hasattr(page.callback, "rule"), "say @needs(...) or @public")

    def test_only_the_entry_points_are_public(self) -> None:
        public = {page.name for page in pages() if getattr(page.callback, "rule", None) is None}
        self.assertEqual(public, PUBLIC)

    def test_what_changes_something_needs_an_operator(self) -> None:
        rules = {page.name: getattr(page.callback, "rule", None) for page in pages()}
        self.assertEqual(
            {name for name in rules if rules[name] == Role.OPERATOR}, OPERATED | OPERATED_PAGES
        )

    def test_a_stranger_is_asked_to_log_in(self) -> None:
        for page in pages():
            if page.name in PUBLIC:
                continue
            with self.subTest(page.name):
                ask = self.client.post if page.name in POSTS else self.client.get
                response = ask(self.address(page))
                self.assertEqual(response.status_code, 302)
                self.assertTrue(response["Location"].startswith("/login/?next="))

    def test_a_live_region_of_an_ended_session_reloads_the_page(self) -> None:
        response = self.client.get(reverse("fleet-live"), headers={"HX-Request": "true"})
        self.assertEqual(response["HX-Refresh"], "true")
        self.assertEqual(response.content, b"")

    def test_a_viewer_sees_every_page_and_presses_no_button(self) -> None:
        self.client.force_login(self.victor)
        for page in pages():
            if page.name in PUBLIC:
                continue
            with self.subTest(page.name):
                ask = self.client.post if page.name in POSTS else self.client.get
                expected = 403 if page.name in OPERATED | OPERATED_PAGES | ADMINS else 200
                if page.name == "preferences":
                    expected = 302
                self.assertEqual(ask(self.address(page)).status_code, expected)

    def test_the_wrong_method_is_refused(self) -> None:
        self.client.force_login(self.ada)
        for page in pages():
            if page.name == "login":
                continue
            with self.subTest(page.name):
                changes = page.name in POSTS or page.name == "logout"
                ask = self.client.get if changes else self.client.post
                if page.name in FORMS:
                    ask = self.client.put
                self.assertEqual(ask(self.address(page)).status_code, 405)

    def test_what_is_not_there_is_not_found(self) -> None:
        self.client.force_login(self.olga)
        for address in [
            "/instances/nobody/",
            "/instances/nobody/live/",
            "/jobs/999999/",
            "/jobs/99999999999999999999999/",
            "/jobs/999999/live/",
            "/jobs/999999/log/?after=0",
            "/backups/nothing@20260302T010000Z-F/",
            "/backups/nothing@20260302T010000Z-F/contents/",
            "/backups/nothing@20260302T010000Z-F/inside/",
            "/backups/nothing@20260302T010000Z-F/compare/",
            "/schedules/nothing/",
            "/calendar/nobody/2026-03-02/",
            "/calendar/orders-1/2026-02-31/",
            "/calendar/orders-1/9999-12-31/",
            "/alerts/999999/",
            "/channels/nothing/",
            "/silences/999999/",
            "/rules/no_such_rule/",
        ]:
            with self.subTest(address):
                self.assertEqual(self.client.get(address).status_code, 404)

    def test_what_is_not_there_cannot_be_changed(self) -> None:
        self.client.force_login(self.ada)
        for address in [
            "/schedules/nothing/pause/",
            "/schedules/nothing/resume/",
            "/schedules/nothing/start/",
            "/schedules/nothing/edit/",
            "/backups/nothing/copy/",
            "/backups/nothing/missing/999999/give-up/",
            "/alerts/999999/acknowledge/",
            "/add/channel/pigeon/",
            "/channels/nothing/edit/",
            "/channels/nothing/test/",
            "/channels/nothing/delete/",
            "/channels/nothing/add-route/",
            "/channels/orders-1/routes/999999/",
            "/channels/nothing/routes/1/delete/",
            "/silences/999999/",
            "/silences/999999/end/",
            "/rules/no_such_rule/add-setting/",
            "/rules/job_failed/settings/999999/",
            "/rules/job_failed/settings/999999/delete/",
        ]:
            with self.subTest(address):
                self.assertEqual(self.client.post(address).status_code, 404)

    def test_every_page_forbids_inline_script_and_style(self) -> None:
        self.client.force_login(self.ada)
        for page in pages():
            if page.name in POSTS | {"logout", "healthz"}:
                continue
            with self.subTest(page.name):
                response = self.client.get(self.address(page))
                self.assertIn("script-src 'self'", response["Content-Security-Policy"])
                text = response.content.decode()
                for forbidden in (" style=", "<style", "<script>", "javascript:", " onclick="):
                    self.assertNotIn(forbidden, text)
