from __future__ import annotations

from datetime import timedelta

from django.test import TestCase

from backups.models import Job, JobSample
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

    def test_old_ones_are_forgotten(self) -> None:
        for age in (KEPT_FOR, KEPT_FOR + timedelta(seconds=1)):
            JobSample.objects.create(
                job=self.job, sampled_at=T0 - age, bytes_done=1, rate_bytes_per_s=1
            )
        forget_samples(T0)
        self.assertEqual(JobSample.objects.get().sampled_at, T0 - KEPT_FOR)
