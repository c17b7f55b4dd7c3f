from __future__ import annotations

from datetime import timedelta

from django.test import TestCase

from backups.models import Job, JobSample
from backups.pacing.reasons import PaceReason
from backups.pacing.view import PaceNow, PaceView
from backups.running.samples import KEPT_FOR, MOST, Sampler, forget_samples
from backups.states import JobStatus
from tests.monitor.rows import T0, make_instance, make_job

MIB = 1024**2


class SamplesTestCase(TestCase):
    job: Job

    @classmethod
    def setUpTestData(cls) -> None:
        cls.job = make_job(make_instance("orders-1"), JobStatus.RUNNING)

    def run_for(self, seconds: int) -> None:
        sampler = Sampler(self.job, started=0.0)
        for second in range(seconds + 1):
            at = T0 + timedelta(seconds=second)
            sampler.note("copy", second * MIB, at, clock=float(second))

    def test_a_sample_comes_every_five_seconds(self) -> None:
        self.run_for(9)
        self.assertEqual(list(JobSample.objects.values_list("rate_bytes_per_s", flat=True)), [MIB])
        self.assertEqual(JobSample.objects.get().sampled_at, T0 + timedelta(seconds=5))

    def test_a_long_job_keeps_no_more_than_a_screen_shows(self) -> None:
        self.run_for(20_000)
        samples = JobSample.objects.filter(job=self.job)
        self.assertLessEqual(samples.count(), MOST)
        self.assertGreater(samples.count(), MOST // 3)
        self.assertEqual(set(samples.values_list("rate_bytes_per_s", flat=True)), {MIB})

    def test_a_stage_that_begins_is_counted_from_zero(self) -> None:
        sampler = Sampler(self.job, started=0.0)
        sampler.note("copy", 0, T0, clock=0.0)
        sampler.note("copy", 50 * MIB, T0, clock=5.0)
        sampler.note("read-back", 10 * MIB, T0, clock=10.0)
        sampler.note("read-back", 20 * MIB, T0, clock=15.0)
        found = JobSample.objects.values_list("stage", "rate_bytes_per_s")
        self.assertEqual(list(found), [("copy", 10 * MIB), ("read-back", 2 * MIB)])

    def test_of_two_that_become_one_the_worse_pace_is_kept(self) -> None:
        view, sampler = PaceView(), Sampler(self.job, started=0.0)
        for second in range(5 * (MOST + 2)):
            limit = None if second % 10 < 5 else 4 * MIB
            reason = PaceReason.FULL if limit is None else PaceReason.LATENCY
            view.show(PaceNow(reason, "", limit, float(second % 10), 20.0))
            sampler.note("copy", second * MIB, T0, clock=float(second), pace=view)
        rows = JobSample.objects.filter(job=self.job)
        self.assertLess(rows.count(), MOST)
        first = rows.earliest("id")
        self.assertEqual((first.pace_bytes_per_s, first.pace_reason), (4 * MIB, "latency"))
        self.assertEqual(first.pace_p99_ms, 9.0)

    def test_old_ones_are_forgotten(self) -> None:
        for age in (KEPT_FOR, KEPT_FOR + timedelta(seconds=1)):
            JobSample.objects.create(
                job=self.job, sampled_at=T0 - age, bytes_done=1, rate_bytes_per_s=1
            )
        forget_samples(T0)
        self.assertEqual(JobSample.objects.get().sampled_at, T0 - KEPT_FOR)
