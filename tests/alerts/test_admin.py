from __future__ import annotations

import json

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse

from alerts.evaluation.evaluate import evaluate_all, evaluate_changed
from alerts.models import Channel, Route, RuleSetting, Silence
from backups.states import JobStatus
from tests.alerts.fleet import T0, make_instance, make_job
from tests.monitor.rows import make_user

CONFIGURED = {Channel, Route, RuleSetting, Silence}
MODELS = list(apps.get_app_config("alerts").get_models())


class AlertsAdminTestCase(TestCase):
    ada: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = make_user("ada", "admin")
        orders = make_instance()
        make_job(orders, JobStatus.FAILED, T0)
        evaluate_changed(T0)
        evaluate_all(T0)
        RuleSetting.objects.create(rule="job_failed", instance=orders)
        Silence.objects.create(comment="moving")
        channel = Channel(name="mail", kind="email")
        channel.set_secrets('{"password": "hunter2"}')
        channel.save()
        Route.objects.create(channel=channel)

    def setUp(self) -> None:
        self.client.force_login(self.ada)

    def save(self, model: str, **fields: object) -> str:
        """Post a new row and return the page that answers."""
        address = reverse(f"admin:alerts_{model}_add")
        return self.client.post(address, fields).content.decode()

    def test_every_model_has_a_list_a_search_and_pages_that_open(self) -> None:
        for model in MODELS:
            with self.subTest(model.__name__):
                name = f"admin:alerts_{model._meta.model_name}"
                self.assertTrue(admin.site.get_model_admin(model).search_fields)
                listed = self.client.get(reverse(f"{name}_changelist"), {"q": "1"})
                self.assertEqual(listed.status_code, 200)
                if row := model._default_manager.first():
                    opened = self.client.get(reverse(f"{name}_change", args=[row.pk]))
                    self.assertEqual(opened.status_code, 200)

    def test_history_is_looked_at_and_never_edited(self) -> None:
        for model in set(MODELS) - CONFIGURED:
            with self.subTest(model.__name__):
                name = f"admin:alerts_{model._meta.model_name}"
                self.assertEqual(self.client.get(reverse(f"{name}_add")).status_code, 403)
                if row := model._default_manager.first():
                    for action in ("change", "delete"):
                        address = reverse(f"{name}_{action}", args=[row.pk])
                        self.assertEqual(self.client.post(address, {}).status_code, 403)

    def test_a_setting_is_saved_with_thresholds_its_rule_has(self) -> None:
        said = self.save("rulesetting", rule="full_too_old", thresholds='{"warnings": 3}')
        self.assertIn("full_too_old has no threshold named warnings", said)
        self.save("rulesetting", rule="full_too_old", thresholds='{"warning": 3}')
        setting = RuleSetting.objects.get(rule="full_too_old")
        self.assertEqual(setting.thresholds, {"warning": 3})

    def test_a_second_setting_of_a_rule_and_scope_is_refused(self) -> None:
        scope = make_job(make_instance("blog"), JobStatus.FAILED, T0).instance.pk
        self.save("rulesetting", rule="job_lost", instance=scope, thresholds="{}")
        said = self.save("rulesetting", rule="job_lost", instance=scope, thresholds="{}")
        self.assertIn("A setting for this rule and scope already exists", said)

    def test_an_invalid_silence_is_refused(self) -> None:
        moment = {"starts_at_0": "2026-03-02", "starts_at_1": "01:00", "max_severity": "40"}
        for fields, words in (
            ({"cron": "61 * * * *", "time_zone": "UTC"}, "never matches"),
            ({"cron": "0 1 * * *", "time_zone": "UTC"}, "needs a duration"),
            ({"time_zone": "Nowhere/Else"}, "No time zone is named Nowhere/Else"),
            (
                {"time_zone": "UTC", "ends_at_0": "2026-03-01", "ends_at_1": "01:00"},
                "The end must be after the start",
            ),
        ):
            with self.subTest(words):
                self.assertIn(words, self.save("silence", comment="x", **moment, **fields))
        self.save("silence", comment="night", time_zone="UTC", **moment)
        self.assertEqual(Silence.objects.get(comment="night").created_by, self.ada)

    def test_secrets_of_a_channel_go_in_and_never_come_out(self) -> None:
        channel = Channel.objects.get()
        address = reverse("admin:alerts_channel_change", args=[channel.pk])
        self.assertNotContains(self.client.get(address), "hunter2")
        settings = {
            "recipients": "dba@example.org", "sender": "mooring@example.org", "user": "mooring",
            "host": "mail.example.org", "port": "587", "security": "starttls",
        }  # fmt: skip
        fields = {"name": "mail", "kind": "email", "settings": json.dumps(settings)}
        refused = self.client.post(address, fields | {"new_secrets": '["hunter3"'})
        self.assertContains(refused, "This is not valid JSON")
        self.assertNotContains(refused, "hunter3")

        self.client.post(address, fields)
        self.assertEqual(json.loads(Channel.objects.get().secrets_text()), {"password": "hunter2"})
        self.client.post(address, fields | {"new_secrets": '{"password": "hunter4"}'})
        saved = Channel.objects.get()
        self.assertEqual(json.loads(saved.secrets_text()), {"password": "hunter4"})
        self.assertEqual(saved.settings, settings)

    def test_a_channel_that_is_on_again_says_no_more_why_it_was_off(self) -> None:
        Channel.objects.update(enabled=False, disabled_reason="it is gone", disabled_at=T0)
        channel = Channel.objects.get()
        settings = {
            "recipients": "dba@example.org", "sender": "mooring@example.org",
            "host": "mail.example.org", "port": "587", "security": "starttls",
        }  # fmt: skip
        fields = {"name": "mail", "kind": "email", "settings": json.dumps(settings)}
        address = reverse("admin:alerts_channel_change", args=[channel.pk])
        self.client.post(address, fields)
        self.assertEqual(Channel.objects.get().disabled_reason, "it is gone")
        self.client.post(address, fields | {"enabled": "on"})
        saved = Channel.objects.get()
        self.assertEqual(
            (saved.enabled, saved.disabled_reason, saved.disabled_at), (True, "", None)
        )

    def test_a_route_in_no_time_zone_is_refused(self) -> None:
        said = self.save("route", channel=Channel.objects.get().pk, time_zone="Europe/Nil")
        self.assertIn("No time zone is named Europe/Nil", said)

    def test_a_channel_that_cannot_be_meant_is_refused(self) -> None:
        said = self.save("channel", name="new", kind="email", settings='{"port": "many"}')
        self.assertIn("Recipients is missing", said)
        self.assertFalse(Channel.objects.filter(name="new").exists())
