"""What a backup cost its writers: on its page, and over time on the instance's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from django.contrib.auth.models import User
from django.test import SimpleTestCase, TestCase
from django.urls import reverse

from backups.models import Backup
from backups.pacing.facts import PaceFacts
from backups.states import JobStatus
from monitor.charts.instance import instance_charts
from monitor.selectors.instance_runs import BackupRun, list_runs
from monitor.selectors.pace_cost import PaceCost, is_beyond_target
from tests.monitor.rows import (
    GIB,
    T0,
    make_backup,
    make_instance,
    make_job,
    make_repository,
    make_user,
)

FACTS = PaceFacts(
    measure="p99",
    source="performance_schema",
    p50_before_ms=1,
    p50_during_ms=2,
    p99_before_ms=8,
    p99_during_ms=30,
    p99_worst_ms=120.5,
    target_ms=40,
    questions_before_per_s=1000,
    questions_during_per_s=985,
    lag_worst_s=3,
    full_s=60,
    limited_s=120,
    lowest_bytes_per_s=12 << 20,
    main_reason="latency",
    redo_lifted=2,
    redo_lifted_s=9,
    redo_worst_share=0.83,
)


def shown(facts: PaceFacts) -> dict[str, str]:
    return {row.name: f"{row.text} {row.note}".strip() for row in PaceCost(facts).rows}


class PaceCostTestCase(SimpleTestCase):
    def test_every_figure_is_said_with_what_it_is_compared_with(self) -> None:
        self.assertEqual(
            shown(FACTS),
            {
                "p99 of statements": "8.0 ms before, 30.0 ms during 3.8 times as long",
                "Median of statements": "1.0 ms before, 2.0 ms during",
                "At its worst": "120.5 ms",
                "Target": "40.0 ms",
                "Statements per second": "1,000 before, 985 during 98 %",
                "Worst replication lag": "3.0 s",
                "Full speed": "1 min 00 s",
                "Slowed down": "2 min 00 s mostly: statements are slower than the target; "
                "at the slowest 12.0 MiB/s",
                "Limit lifted for the redo log": "2 times, for 9.0 s",
                "Redo log written and not copied": "at most 83 %",
            },
        )

    def test_what_is_not_known_is_unknown_and_never_zero(self) -> None:
        self.assertEqual(
            shown(PaceFacts(p99_during_ms=30)),
            {
                "p99 of statements": "unknown before, 30.0 ms during",
                "Statements per second": "unknown before, unknown during",
                "Full speed": "never",
                "Slowed down": "never",
            },
        )

    def test_a_mean_is_not_called_a_percentile(self) -> None:
        self.assertIn("Mean statement time", shown(PaceFacts(measure="mean")))

    def test_beyond_the_target_is_marked(self) -> None:
        beyond = replace(FACTS, p99_during_ms=41)
        self.assertEqual(PaceCost(beyond).rows[0].bad, is_beyond_target(beyond))
        self.assertTrue(is_beyond_target(beyond))
        for facts in (FACTS, replace(FACTS, target_ms=None), PaceFacts()):
            self.assertFalse(is_beyond_target(facts))


class PaceTrendTestCase(SimpleTestCase):
    def run_of(self, day: int, pace: PaceFacts | None) -> BackupRun:
        at, hour = T0 + timedelta(days=day), timedelta(hours=1)
        return BackupRun(at, JobStatus.SUCCEEDED, GIB, GIB, hour, None, "full", pace)

    def titles(self, *paces: PaceFacts | None) -> list[str]:
        charts = instance_charts([self.run_of(day, pace) for day, pace in enumerate(paces)])
        assert charts is not None
        return [chart.title for chart in charts.drawn]

    def test_two_backups_with_figures_are_a_trend(self) -> None:
        self.assertNotIn("Statements during backups", self.titles(None, FACTS, PaceFacts()))
        self.assertIn("Statements during backups", self.titles(FACTS, None, FACTS))

    def test_the_trend_says_what_was_usual_before(self) -> None:
        other = replace(FACTS, p99_during_ms=50, p99_before_ms=None)
        charts = instance_charts(
            [self.run_of(day, pace) for day, pace in enumerate((FACTS, other))]
        )
        assert charts is not None
        self.assertEqual(
            charts.drawn[-1].note,
            "Last 50 ms; usually 50 ms, at most 50 ms; before a backup usually 8 ms.",
        )


class PaceCostPagesTestCase(TestCase):
    victor: User
    backup: Backup

    @classmethod
    def setUpTestData(cls) -> None:
        cls.victor = make_user("victor", "viewer")
        cls.backup = make_backup(make_instance("orders-1"), make_repository()).backup

    def setUp(self) -> None:
        self.client.force_login(self.victor)

    def page(self) -> str:
        answer = self.client.get(reverse("backup-detail", args=[self.backup.label]))
        return " ".join(answer.content.decode().split())

    def test_an_older_backup_says_that_nothing_is_known(self) -> None:
        self.assertIn("Unknown: nothing was recorded while this backup was taken.", self.page())

    def test_the_figures_of_one_that_was_watched(self) -> None:
        Backup.objects.update(pace=FACTS.write())
        page = self.page()
        self.assertIn("8.0 ms before, 30.0 ms during", page)
        self.assertIn("performance_schema", page)

    def test_one_that_read_no_instance_has_no_such_section(self) -> None:
        for change in ({"origin": "observed"}, {"origin": "managed", "consolidated_from": "x"}):
            Backup.objects.update(**change)
            self.assertNotIn("Effect on the instance", self.page())

    def test_nonsense_in_the_row_is_unknown(self) -> None:
        Backup.objects.update(pace={"p99_during_ms": "<b>", "full_s": -1, "source": 5})
        self.assertIn("unknown before, unknown during", self.page())

    def test_runs_bring_the_facts_of_their_backups(self) -> None:
        job = make_job(self.backup.instance, JobStatus.SUCCEEDED)
        Backup.objects.update(pace=FACTS.write(), made_by=job)
        make_job(self.backup.instance, JobStatus.FAILED)
        with self.assertNumQueries(1):
            runs = list_runs("orders-1")
        self.assertEqual([run.pace for run in runs], [FACTS, None])
