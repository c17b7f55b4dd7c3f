"""The list of schedules, the page of one, and what operators do there."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse
from django.utils.timezone import now

from backups.models import (
    Activity,
    BackupSchedule,
    Instance,
    Job,
    Occurrence,
    Repository,
)
from backups.states import JobStatus, OccurrenceStatus, WaitReason
from monitor.selectors.schedules import load_days, punctuality_of
from tests.monitor.planning import DAY, HOUR, make_occurrence, make_schedule
from tests.monitor.rows import make_instance, make_job, make_repository, make_user


class SchedulePagesTestCase(TestCase):
    olga: User
    orders: Instance
    nightly: BackupSchedule

    @classmethod
    def setUpTestData(cls) -> None:
        cls.olga = make_user("olga", "operator")
        cls.orders = make_instance("orders-1")
        cls.nightly = make_schedule("nightly", cls.orders, time_zone="Europe/Berlin")

    def setUp(self) -> None:
        self.client.force_login(self.olga)

    def test_an_empty_list_says_what_to_do_next(self) -> None:
        self.nightly.delete()
        response = self.client.get(reverse("schedules"))
        self.assertContains(response, "No schedule yet")
        self.assertContains(response, "An admin can add one")

    def test_the_list_says_rhythm_coverage_and_who_is_left_out(self) -> None:
        make_instance("billing-7")
        response = self.client.get(reverse("schedules"))
        self.assertContains(response, "full, every day at 01:30")
        self.assertContains(response, "1 instance without a schedule")
        self.assertContains(response, "billing-7")

    def test_the_last_result_is_that_of_the_newest_moment(self) -> None:
        at = now()
        make_occurrence(self.nightly, self.orders, at - 2 * DAY, OccurrenceStatus.FAILED)
        make_occurrence(self.nightly, self.orders, at - DAY)
        rows = self.client.get(reverse("schedules")).context["schedules"].rows
        self.assertEqual(rows[0].last.word, "done")

    def test_punctuality_counts_what_was_late_apart(self) -> None:
        at = now()
        make_occurrence(self.nightly, self.orders, at - HOUR, late_at=at)
        make_occurrence(self.nightly, self.orders, at - DAY)
        make_occurrence(self.nightly, self.orders, at - 2 * DAY, OccurrenceStatus.MISSED)
        make_occurrence(self.nightly, self.orders, at - 45 * DAY, OccurrenceStatus.MISSED)
        found = punctuality_of(load_days([self.nightly], at)[self.nightly.pk])
        self.assertEqual(found.words, "1 missed, 1 late, 1 done")
        self.assertEqual(found.percent_on_time, 33)
        self.assertEqual(len(found.squares), 30)

    def test_one_of_many_that_failed_is_a_low_bar(self) -> None:
        for bad in (OccurrenceStatus.FAILED, OccurrenceStatus.REFUSED):
            Occurrence.objects.all().delete()
            at = now()
            for hours in range(11):
                due_at = at.replace(hour=1, minute=hours) - DAY
                status = OccurrenceStatus.SUCCEEDED if hours else bad
                make_occurrence(self.nightly, self.orders, due_at, status)
            found = punctuality_of(load_days([self.nightly], at)[self.nightly.pk])
            square = next(each for each in found.squares if each.word)
            with self.subTest(bad):
                self.assertEqual((square.word, square.share), (str(bad), 1))
                self.assertEqual(found.percent_on_time, 90)

    def test_the_page_shows_reasons_runs_and_retention(self) -> None:
        make_occurrence(
            self.nightly, self.orders, now() - DAY, OccurrenceStatus.MISSED,
            reason=WaitReason.INSTANCE_UNREACHABLE, detail="connection refused",
        )  # fmt: skip
        response = self.client.get(reverse("schedule-detail", args=["nightly"]))
        self.assertContains(response, "The instance cannot be reached")
        self.assertContains(response, "connection refused")
        self.assertContains(response, "Backups are kept for ever.")
        self.assertNotContains(response, "consolidated")
        for links, words in ((1, "1 backup after"), (6, "6 backups after")):
            BackupSchedule.objects.update(consolidate_after=links)
            page = self.client.get(response.request["PATH_INFO"])
            words = f"A chain is consolidated once it has {words} its full one."
            self.assertContains(page, words)
        self.assertEqual(len(response.context["view"].slots), 10)

    def test_the_kind_of_each_run_and_the_reason_for_another_one(self) -> None:
        BackupSchedule.objects.update(kind="incremental", full_cron="30 1 * * 0")
        job = make_job(self.orders, JobStatus.SUCCEEDED)
        job.requested_kind, job.kind_cause = "incremental", "full_overdue"
        job.kind_reason = "the full backup due at 2026-03-01 01:30Z was missed"
        job.save()
        make_occurrence(self.nightly, self.orders, now() - DAY, kind="incremental", job=job)
        page = self.client.get(reverse("schedule-detail", args=["nightly"]))
        self.assertContains(page, "Incremental backups")
        self.assertContains(page, "every day at 01:30; full: Sunday at 01:30 (Europe/Berlin)")
        self.assertContains(page, f"full: {job.kind_reason}")
        self.assertEqual(sum(slot.full for slot in page.context["view"].slots) in (1, 2), True)
        page = self.client.get(reverse("job-detail", args=[job.pk]))
        self.assertContains(page, "requested: incremental")
        self.assertContains(page, "The full backup due at 2026-03-01 01:30Z was missed")

    def test_starting_whichever_is_due(self) -> None:
        make_repository("main")
        BackupSchedule.objects.update(kind="auto")
        self.client.post(reverse("schedule-start", args=["nightly"]))
        job = Job.objects.get()
        self.assertEqual((job.requested_kind, job.kind), ("auto", "incremental"))

    def test_the_history_can_be_narrowed(self) -> None:
        make_occurrence(self.nightly, self.orders, now() - DAY, OccurrenceStatus.MISSED)
        make_occurrence(self.nightly, self.orders, now() - 2 * DAY)
        address = reverse("schedule-detail", args=["nightly"])
        for query, count in (("", 2), ("?status=missed", 1), ("?status=nonsense", 2)):
            with self.subTest(query):
                view = self.client.get(address + query).context["view"]
                self.assertEqual(len(view.occurrences), count)

    def test_a_pause_says_who_why_and_until_when_and_ends(self) -> None:
        until = (now() + DAY).replace(second=0, microsecond=0)
        response = self.client.post(
            reverse("schedule-pause", args=["nightly"]),
            {"reason": "storage move", "until": f"{until:%Y-%m-%dT%H:%M}"},
            follow=True,
        )
        self.assertContains(response, "storage move")
        self.nightly.refresh_from_db()
        self.assertEqual((self.nightly.paused_until, self.nightly.paused_by), (until, self.olga))
        self.client.post(reverse("schedule-resume", args=["nightly"]))
        self.nightly.refresh_from_db()
        self.assertIsNone(self.nightly.paused_at)
        verbs = set(Activity.objects.values_list("verb", "actor", "name"))
        self.assertLessEqual({("paused", "olga", "nightly"), ("resumed", "olga", "nightly")}, verbs)

    def test_a_pause_without_a_reason_or_into_the_past_is_refused_beside_the_field(self) -> None:
        past = now() - HOUR
        for given, words in (
            ({"reason": ""}, "This field is required."),
            ({"reason": "x", "until": f"{past:%Y-%m-%dT%H:%M}"}, "This time is in the past."),
        ):
            with self.subTest(words):
                response = self.client.post(reverse("schedule-pause", args=["nightly"]), given)
                self.assertContains(response, words, status_code=422)
        self.nightly.refresh_from_db()
        self.assertIsNone(self.nightly.paused_at)

    def test_starting_asks_for_a_backup_of_all_it_covers_and_names_what_was_refused(self) -> None:
        make_repository()
        other = make_instance("orders-2")
        self.nightly.instances.add(other)
        address = reverse("schedule-start", args=["nightly"])
        self.assertContains(self.client.post(address, follow=True), "2 backups requested.")
        self.assertEqual(Job.objects.filter(requested_by=self.olga).count(), 2)
        again = self.client.post(address, follow=True)
        self.assertContains(again, "0 backups requested. Refused:")

    def test_starting_stores_where_this_schedule_does_and_not_where_another(self) -> None:
        make_repository("main")
        away = make_repository("away")
        Repository.objects.filter(pk=away.pk).update(enabled=False)
        sooner = make_schedule("hourly", self.orders, next_due_at=now() - DAY)
        sooner.repositories.set([away])
        self.client.post(reverse("schedule-start", args=["nightly"]))
        self.assertEqual(
            [repository.name for repository in Job.objects.get().repositories.all()], ["main"]
        )

    def test_what_somebody_else_runs_is_not_started(self) -> None:
        BackupSchedule.objects.update(origin="observed")
        response = self.client.post(reverse("schedule-start", args=["nightly"]), follow=True)
        self.assertContains(response, "start the backup with its own tool")
        self.assertEqual(Job.objects.count(), 0)

    def test_a_paused_schedule_shows_it_in_the_list(self) -> None:
        BackupSchedule.objects.update(paused_at=now(), paused_reason="storage move")
        self.assertContains(
            self.client.get(reverse("schedules")), '<span class="unknown">paused</span>'
        )

    def test_how_long_it_waited_is_never_less_than_nothing(self) -> None:
        due_at = now() - DAY
        job = Job.objects.create(
            instance=self.orders, operation="backup", kind="full", status="succeeded",
            started_at=due_at - timedelta(seconds=5), ended_at=due_at,
        )  # fmt: skip
        make_occurrence(self.nightly, self.orders, due_at, job=job)
        view = self.client.get(reverse("schedule-detail", args=["nightly"])).context["view"]
        self.assertEqual(view.occurrences[0].waited, timedelta(0))
