"""The form of a schedule: it saves what was typed, says what is wrong, and shows what would run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse

from backups.models import Activity, BackupSchedule, Instance, InstanceGroup, Tag
from backups.schedule import Rhythm
from monitor.forms.presets import PRESETS
from monitor.selectors.schedule import preview_rhythm
from tests.monitor.planning import make_schedule
from tests.monitor.rows import RETENTION_TYPED, make_instance, make_repository, make_user


def typed(**changes: object) -> dict[str, object]:
    """Return what a browser sends of a good form."""
    return {
        "name": "nightly", "origin": "managed", "kind": "full", "enabled": "on",
        "cron": "30 2 * * *", "time_zone": "Europe/Berlin", "every_hours": "", "anchor_at": "",
        "instances": "orders-1", "window": "4h", "grace": "15m", "stagger": "0s",
        "expected_duration": "", "at_window_end": "finish", "catch_up": "once", "retries": "1",
        "retry_delay": "10m", "max_jobs": "", "keep_for": "14d", "options": "",
        **RETENTION_TYPED, **changes,
    }  # fmt: skip


class ScheduleFormTestCase(TestCase):
    ada: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = make_user("ada", "admin")
        make_instance("orders-1")

    def setUp(self) -> None:
        self.client.force_login(self.ada)

    def test_a_repository_in_the_data_folder_of_a_covered_instance_is_refused(self) -> None:
        main = make_repository()
        orders = Instance.objects.get()
        for folder, covers in (("/srv/main/mysql", {}), ("/srv", {"covers_all": "on"})):
            Instance.objects.filter(pk=orders.pk).update(data_folder=folder)
            given = typed(repositories=[main.pk], **covers)
            answer = self.client.post(reverse("schedule-add"), given)
            self.assertIn("are inside one another", str(answer.context["form"].errors))
        self.assertFalse(BackupSchedule.objects.exists())

    def test_the_pace_is_stored_and_comes_back_as_typed(self) -> None:
        given = typed(
            pace_factor="3", pace_lag_seconds="0", pace_bytes_per_s="20M",
            pace_hours="08:00-18:00 full",
        )  # fmt: skip
        self.assertRedirects(
            self.client.post(reverse("schedule-add"), given),
            reverse("schedule-detail", args=["nightly"]),
        )
        nightly = BackupSchedule.objects.get()
        self.assertEqual(
            (nightly.pace_factor, nightly.pace_lag_seconds, nightly.pace_bytes_per_s),
            (3, 0, 20 << 20),
        )
        page = self.client.get(reverse("schedule-edit", args=["nightly"]))
        self.assertContains(page, 'value="20M"')
        page = self.client.get(reverse("schedule-detail", args=["nightly"]))
        self.assertContains(page, "Statements at most 3 times as long as before; replication lag")

    def test_a_pace_that_cannot_be_is_refused_in_words(self) -> None:
        given = typed(
            pace_factor="1", pace_lag_seconds="-1", pace_bytes_per_s="fast", pace_hours="8-18 20M"
        )
        errors = self.client.post(reverse("schedule-add"), given).context["form"].errors
        self.assertEqual(
            errors["pace_bytes_per_s"],
            ["This is not a rate. Write it as in 20M, or full for no limit."],
        )
        self.assertEqual(errors["pace_factor"], ["Enter 0, or a factor from 1.5 to 1000."])
        self.assertIn("is not a limit by hours", errors["pace_hours"][0])
        self.assertIn("pace_lag_seconds", errors)
        self.assertFalse(BackupSchedule.objects.exists())

    def test_everything_typed_is_stored_and_comes_back(self) -> None:
        group = InstanceGroup.objects.create(name="shop")
        tag = Tag.objects.create(name="prod")
        main = make_repository()
        given = typed(
            groups=[group.pk], tags=[tag.pk], repositories=[main.pk], expected_duration="1h30m",
            max_jobs="3", options='{"tables": ["a"]}', stagger="40m",
        )  # fmt: skip
        self.client.post(reverse("schedule-add"), given)
        saved = BackupSchedule.objects.get(name="nightly")
        self.assertEqual(saved.keep_for, timedelta(days=14))
        self.assertEqual(saved.expected_duration, timedelta(minutes=90))
        self.assertEqual(saved.options, {"tables": ["a"]})
        self.assertEqual([i.name for i in saved.instances.all()], ["orders-1"])
        self.assertIsNotNone(saved.next_due_at, "saved through the function that arms it")
        form = self.client.get(reverse("schedule-edit", args=["nightly"])).context["form"]
        for name, value in (("window", "4h"), ("stagger", "40m"), ("instances", "orders-1")):
            self.assertEqual(form[name].value(), value)
        self.assertEqual(Activity.objects.filter(verb="added", name="nightly").count(), 1)

    def test_a_proof_has_a_form_of_its_own(self) -> None:
        page = self.client.get(reverse("schedule-add"), {"preset": "verify"})
        self.assertContains(page, "Check pages")
        for absent in ("A random moment", "Limit its rate"):
            self.assertNotContains(page, f">{absent}<")
        others = {
            "kind",
            "options",
            "full_cron",
            "repositories",
            "copy_to",
            "pace_hours",
            "keep_for",
        }
        self.assertTrue(others.isdisjoint(page.context["form"].fields))
        given = {
            "name": "weekly", "operation": "verify", "enabled": "on", "cron": "0 12 * * 6",
            "time_zone": "UTC", "instances": "orders-1", "window": "4h", "grace": "15m",
            "stagger": "0s", "retries": "1", "retry_delay": "10m", "at_window_end": "finish",
            "catch_up": "once", "check_pages": "on", "proof_choice": "sampled",
            "proven_within_days": "14", "budget_bytes": "500G",
        }  # fmt: skip
        answer = self.client.post(reverse("schedule-add"), given)
        self.assertRedirects(answer, reverse("schedule-detail", args=["weekly"]))
        saved = BackupSchedule.objects.get()
        self.assertEqual((saved.operation, saved.check_pages), ("verify", True))
        self.assertEqual((saved.proven_within_days, saved.budget_bytes), (14, 500 << 30))
        page = self.client.get(reverse("schedule-detail", args=["weekly"]))
        self.assertContains(page, "of each instance within 14 days, at most 500.0 GiB each time")
        page = self.client.get(reverse("schedule-edit", args=["weekly"]))
        self.assertContains(page, 'value="verify"')
        changed = {**given, "operation": "restore_test"}
        answer = self.client.post(reverse("schedule-edit", args=["weekly"]), changed)
        self.assertEqual(answer.status_code, 422)
        self.assertIn("add another schedule", str(answer.context["form"].errors["operation"]))

    def test_what_is_not_chosen_is_said_in_words(self) -> None:
        page = self.client.get(reverse("schedule-add"))
        self.assertContains(page, "None: it has its own times")
        self.assertNotContains(page, "---------")

    def test_an_edit_saves_over_the_same_row_and_arms_it_again(self) -> None:
        schedule = make_schedule("nightly")
        given = typed(name="weekly", cron="0 3 * * 0")
        self.client.post(reverse("schedule-edit", args=["nightly"]), given)
        schedule.refresh_from_db()
        self.assertEqual((schedule.name, schedule.cron), ("weekly", "0 3 * * 0"))
        assert schedule.next_due_at is not None
        self.assertEqual(schedule.next_due_at.astimezone(UTC).weekday(), 6)

    def test_each_fault_stands_beside_its_field_and_nothing_is_saved(self) -> None:
        for field, value, words in [
            ("name", "not a name", "letters, digits"),
            ("cron", "61 * * * *", "cannot be read"),
            ("cron", "0 1", "has 2 fields"),
            ("every_hours", "6", "either a cron expression or an interval in hours"),
            ("time_zone", "Europe/Nowhere", "no time zone"),
            ("instances", "orders-1, nobody", "Unknown instance: nobody."),
            ("window", "soon", "not a length of time"),
            ("window", "0s", "The window must be longer than zero."),
            ("grace", "5h", "missed before it is late"),
            ("options", "[1]", "JSON object"),
            ("options", "{", "valid JSON"),
            ("full_cron", "30 1 * * 0", "Only incremental, differential or automatic backups"),
        ]:
            with self.subTest(f"{field}={value}"):
                response = self.client.post(reverse("schedule-add"), typed(**{field: value}))
                self.assertContains(response, words, status_code=422)
                self.assertContains(response, "Nothing was saved", status_code=422)
        self.assertEqual(BackupSchedule.objects.count(), 0)

    def test_a_fault_of_the_full_backups_is_beside_their_field(self) -> None:
        given = typed(kind="incremental", full_cron="0 0 30 2 *")
        response = self.client.post(reverse("schedule-add"), given)
        self.assertIn("cannot be read", str(response.context["form"].errors["full_cron"]))

    def test_the_preview_counts_who_would_be_covered_and_who_would_not(self) -> None:
        make_instance("billing-1")
        response = self.client.post(reverse("schedule-preview"), typed())
        preview = response.context["preview"]
        self.assertEqual((preview.covered_count, preview.uncovered_count), (1, 1))
        self.assertEqual(len(preview.slots), 10)
        self.assertContains(response, "billing-1")
        self.assertEqual(BackupSchedule.objects.count(), 0)

    def test_each_preset_is_a_schedule_that_can_be_saved(self) -> None:
        for preset in PRESETS:
            with self.subTest(preset.name):
                page = self.client.get(reverse("schedule-add"), {"preset": preset.name})
                form, preview = page.context["form"], page.context["preview"]
                shown = {name: form[name].value() for name in preset.columns}
                self.assertEqual(shown, preset.columns)
                self.assertTrue(form["make_up_full"].value())
                self.assertEqual(preview.fault, "")
                given = typed(name=preset.name, make_up_full="on", **preset.columns)
                self.assertEqual(self.client.post(reverse("schedule-add"), given).status_code, 302)
                saved = BackupSchedule.objects.get(name=preset.name)
                found = (saved.kind, saved.cron, saved.full_cron, saved.make_up_full)
                kind, cron = preset.columns["kind"], preset.columns["cron"]
                self.assertEqual(found, (kind, cron, preset.columns.get("full_cron", ""), True))

    def test_the_preview_shows_the_kind_of_each_run(self) -> None:
        given = typed(kind="incremental", full_cron="30 2 * * 0")
        response = self.client.post(reverse("schedule-preview"), given)
        slots = response.context["preview"].slots
        self.assertEqual(
            sum(slot.full for slot in slots), sum(s.local.weekday() == 6 for s in slots)
        )
        self.assertContains(response, "<b>full</b>")
        self.assertContains(response, "incremental</td>")

    def test_the_preview_names_full_backups_without_a_time(self) -> None:
        for changes, note in (
            ({"kind": "incremental"}, "After 7 incremental backups"),
            ({"kind": "incremental", "full_cron": "30 2 * * 0"}, ""),
            ({"kind": "incremental", "full_cron": "30 2 1 * *"}, "After 7 incremental backups"),
            ({"kind": "differential", "full_cron": "30 2 1 * *"}, ""),
            ({"kind": "auto"}, "where there is nothing to go on from"),
            ({"kind": "full"}, ""),
        ):
            with self.subTest(changes):
                page = self.client.post(reverse("schedule-preview"), typed(**changes))
                found = page.context["preview"].note
                self.assertIn(note, found)
                self.assertEqual(bool(note), bool(found))

    def test_a_disabled_draft_covers_nobody_for_others(self) -> None:
        preview = self.client.post(reverse("schedule-preview"), typed(enabled="")).context[
            "preview"
        ]
        self.assertEqual(preview.uncovered_count, 1)

    def test_an_instance_of_a_group_and_by_name_is_counted_once(self) -> None:
        group = InstanceGroup.objects.create(name="shop")
        group.instances.set([make_instance("orders-2")])
        given = typed(groups=[group.pk], instances="orders-1 orders-2")
        preview = self.client.post(reverse("schedule-preview"), given).context["preview"]
        self.assertEqual(preview.covered_count, 2)

    def test_what_cannot_be_read_yet_is_said_in_the_preview(self) -> None:
        response = self.client.post(reverse("schedule-preview"), typed(cron="30 2 *"))
        self.assertContains(response, "has 3 fields")

    def test_without_a_script_a_button_previews(self) -> None:
        response = self.client.post(reverse("schedule-add"), typed(preview="1", cron="0 5 * * *"))
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.context["preview"].slots[0].local.hour, 5)
        self.assertEqual(BackupSchedule.objects.count(), 0)

    def test_the_clock_changes_are_shown(self) -> None:
        rhythm = Rhythm("30 2 * * *", "Europe/Berlin", None, datetime(2026, 1, 1, tzinfo=UTC))
        slots, fault = preview_rhythm(rhythm, datetime(2026, 3, 28, 12, tzinfo=UTC))
        self.assertEqual(fault, "")
        self.assertIn("02:30 does not exist", slots[0].note)
