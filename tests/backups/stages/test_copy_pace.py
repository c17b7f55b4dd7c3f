from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from backups.engines.clone.engine import LEAST_BYTES_PER_S_PER_CONNECTION, CloneEngine
from backups.jobs.request import create_backup_job
from backups.models import (
    Backup,
    BackupSchedule,
    Instance,
    Job,
    JobLogLine,
    JobSample,
    JobStage,
    Repository,
)
from backups.pacing.facts import PaceFacts
from backups.stages.backup.copy_pace import plan_of
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import made_by_schedule, run_here, take_backup

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MIB = 1 << 20
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def defaults(settings: Settings) -> None:
    settings.THROTTLE_BYTES_PER_S, settings.PACE_LONGEST = 0, 8


class TestPlan:
    def test_the_settings_hold_where_no_row_says_more(
        self, orders: Instance, main: Repository, settings: Settings
    ) -> None:
        settings.PACE_FACTOR, settings.PACE_LAG_SECONDS = 5, 30
        plan = plan_of(create_backup_job(orders, wake=False))
        assert (plan.target.factor, plan.target.lag_seconds, plan.watches) == (5, 30, True)
        assert plan.target.limit_at(NOON) is None
        assert plan.known_rate == 0

    def test_a_schedule_wins_over_its_instance_with_hours_in_its_zone(
        self, orders: Instance, main: Repository, engine: FakeEngine
    ) -> None:
        orders.pace_factor, orders.pace_bytes_per_s = 3, 9 * MIB
        orders.save()
        backup = take_backup(orders, main)
        schedule = BackupSchedule.objects.create(
            name="nightly", cron="0 1 * * *", time_zone="Asia/Tokyo",
            pace_factor=0, pace_hours="21:00-22:00 2M",
        )  # fmt: skip
        made_by_schedule(schedule, backup)
        plan = plan_of(Job.objects.get())
        assert (plan.target.factor, plan.watches) == (0, False)
        assert plan.target.limit_at(NOON) == 2 * MIB
        assert plan.target.limit_at(NOON.replace(hour=14)) == 9 * MIB
        assert plan.known_rate > 0

    def test_the_rate_of_an_earlier_copy_is_that_of_its_stage(
        self, orders: Instance, main: Repository, engine: FakeEngine
    ) -> None:
        backup = take_backup(orders, main)
        Backup.objects.update(
            restored_bytes=100 * MIB, started_at=NOON, ended_at=NOON + 10 * SECOND
        )
        stages = JobStage.objects.filter(job=backup.made_by, name="copy", parent=None)
        stages.update(started_at=NOON + 2 * SECOND, ended_at=NOON + 4 * SECOND)
        job = create_backup_job(orders, wake=False)
        assert plan_of(job).known_rate == 50 * MIB
        assert plan_of(job).borne_rate is None
        stages.update(ended_at=None)
        Backup.objects.update(pace=PaceFacts(target_ms=40.0).write())
        assert plan_of(job).known_rate == plan_of(job).borne_rate == 10 * MIB

    def test_an_old_donor_that_blocks_ddl_throughout_is_not_slowed(
        self, orders: Instance, main: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("backups.stages.backup.copy_pace.engine_named", lambda _: CloneEngine)
        job = create_backup_job(orders, wake=False)
        for version, locked in (("8.0.26", True), ("8.0.27", False), ("", False)):
            job.instance.version = version
            assert ("8.0.26 holds" in plan_of(job).locked) is locked

    def test_connections_of_a_clone_are_read_often_enough_for_a_donor(self) -> None:
        least = CloneEngine.pacing.least_bytes_per_s(4)
        assert least == 4 * LEAST_BYTES_PER_S_PER_CONNECTION
        # A block and a part of a TCP window in a quarter of the minute that a donor waits.
        assert LEAST_BYTES_PER_S_PER_CONNECTION * 15 > 3 * MIB


class TestCopy:
    def test_what_it_cost_is_kept_with_the_backup(
        self, orders: Instance, main: Repository, engine: FakeEngine
    ) -> None:
        facts = PaceFacts.read(take_backup(orders, main).pace)
        assert facts is not None
        assert (facts.limited_s, facts.main_reason, facts.source) == (0, "", "")

    def test_hours_that_cannot_be_read_fail_no_backup(
        self, orders: Instance, main: Repository, engine: FakeEngine
    ) -> None:
        # Whoever wrote it passed by the forms.
        Instance.objects.update(pace_hours="at night")
        orders.refresh_from_db()
        take_backup(orders, main)
        line = JobLogLine.objects.filter(source="pace").earliest("id")
        assert line.text.startswith("limits by hours are ignored: there is no time zone")

    def test_an_incremental_backup_that_stores_nothing_is_paced_too(
        self, orders: Instance, main: Repository, engine: FakeEngine, settings: Settings
    ) -> None:
        engine.files = {f"shop/t{number}.ibd": bytes([number]) * (32 << 10) for number in range(12)}
        take_backup(orders, main)
        settings.THROTTLE_BYTES_PER_S = 256 << 10
        job = run_here(create_backup_job(orders, kind="incremental", wake=False))
        product = job.product
        assert (product.raw_bytes or 0) < 32 << 10 <= (product.restored_bytes or 0)
        copy = job.stages.get(name="copy")
        assert copy.started_at is not None
        assert copy.ended_at is not None
        # 384 KiB at 256 KiB a second; what was stored would have taken no time.
        assert (copy.ended_at - copy.started_at).total_seconds() > 0.9
        facts = PaceFacts.read(product.pace)
        assert facts is not None
        assert (facts.main_reason, facts.lowest_bytes_per_s) == ("configured", 256 << 10)

    def test_a_limit_by_hand_is_read_from_the_row_of_the_job(
        self, orders: Instance, main: Repository, engine: FakeEngine, settings: Settings
    ) -> None:
        engine.files = {"shop/t.ibd": bytes(8 * MIB)}
        # Two minutes, unless the row is read.
        settings.THROTTLE_BYTES_PER_S = 64 << 10
        job = create_backup_job(orders, wake=False)
        Job.objects.update(pace_limit=0)
        ended = run_here(job)
        assert ended.status == "succeeded"
        # There is nothing left to limit.
        assert (ended.pace_bytes_per_s, ended.pace_reason, ended.pace_detail) == (None, "", "")
        said = JobLogLine.objects.filter(source="pace").values_list("text", flat=True)
        assert "full speed: full speed, as requested" in said
        assert not JobSample.objects.filter(pace_reason="").exists()
