"""The sample fleet is believable, the same in every run, and nothing ever acts on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.models import Alert
from backups.models import (
    Backup,
    BackupAncestor,
    BackupCopy,
    BackupSchedule,
    Instance,
    Job,
    JobStage,
    Occurrence,
    Repository,
)
from backups.states import CopyStatus, JobStatus, OccurrenceStatus
from scripts.sample_history import DAYS, INCIDENTS, nights_of
from scripts.sample_instances import SAMPLE, sample_instances
from scripts.sample_rows import seed_fleet

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FLEET = {sample.name: sample for sample in sample_instances()}


def test_there_are_sixty_with_names_of_their_own() -> None:
    assert len(FLEET) == len(sample_instances()) == 60


def test_every_kind_of_trouble_is_somebodys() -> None:
    troubles = [sample.trouble for sample in FLEET.values() if sample.trouble]
    assert len(troubles) == len(set(troubles)) == 11


def test_a_year_of_nights_is_the_same_in_every_run() -> None:
    nights = list(nights_of(FLEET["orders-fra-1"], NOW, 3))
    assert nights == list(nights_of(FLEET["orders-fra-1"], NOW, 3))
    assert len(nights) == DAYS + 1
    assert all(night.ended_at < NOW for night in nights)
    assert nights[-1].raw_bytes > nights[0].raw_bytes


def test_the_bad_nights_of_the_fleet_were_missed_with_a_reason() -> None:
    fleet = [list(nights_of(sample, NOW, 0)) for sample in FLEET.values() if not sample.trouble]
    for days_ago, (reason, _) in INCIDENTS.items():
        that_night = [night for nights in fleet for night in nights[-days_ago - 1 : -days_ago]]
        missed = [night for night in that_night if night.status == "missed"]
        assert len(missed) > len(that_night) / 2
        assert {night.reason for night in missed} == {reason}


@pytest.mark.django_db
def test_rows_of_a_few_of_them(tmp_path: Path) -> None:
    names = ("wiki-fra-1", "orders-fra-3", "sessions-ams-2", "billing-fra-1")
    counts = seed_fleet(tmp_path, NOW, [FLEET[name] for name in names])
    assert set(Instance.objects.values_list("name", flat=True)) == set(names)
    assert Instance.objects.filter(groups__name=SAMPLE).count() == 4
    assert counts["jobs"] == Job.objects.count() > counts["backups"] == Backup.objects.count()
    assert JobStage.objects.filter(parent__name="copy").exists()
    newest = Job.objects.filter(instance__name="orders-fra-3").first()
    assert newest is not None
    assert (newest.status, newest.failed_stage) == (JobStatus.REFUSED, "preflight")
    assert not Backup.objects.filter(instance__name="sessions-ams-2").exists()
    assert not Occurrence.objects.filter(instance__name="billing-fra-1").exists()
    # The rules found these themselves.
    rules = set(Alert.objects.exclude(open_key=None).values_list("rule", "instance__name"))
    assert {("job_refused", "orders-fra-3"), ("never_backed_up", "sessions-ams-2")} <= rules


@pytest.mark.django_db
def test_full_backups_on_sunday_and_incremental_ones_between(tmp_path: Path) -> None:
    seed_fleet(tmp_path, NOW, [FLEET["catalog-fra-1"]])
    runs = Occurrence.objects.filter(status=OccurrenceStatus.SUCCEEDED).select_related("job")
    assert {run.kind for run in runs if run.due_at.weekday() == 6} == {"full"}
    assert {run.job.kind for run in runs if run.job and run.job.kind_reason} == {"full"}
    links = Backup.objects.filter(kind="incremental").prefetch_related("ancestors__ancestor")
    assert len(links) > DAYS / 2
    for link in links:
        needed = [row.ancestor for row in link.ancestors.all()]
        assert [each.kind for each in needed] == ["full", *["incremental"] * (len(needed) - 1)]
        assert len(needed) < 8
        assert link.base == needed[-1]
    # What is stored can be restored.
    stored = BackupCopy.objects.filter(status=CopyStatus.STORED)
    alone = set(stored.values_list("backup", flat=True))
    wanted = BackupAncestor.objects.filter(backup__in=alone).values_list("ancestor", flat=True)
    assert set(wanted) <= alone


@pytest.mark.django_db
def test_no_tick_has_anything_to_do_with_it(tmp_path: Path) -> None:
    seed_fleet(tmp_path, NOW, [FLEET["wiki-fra-1"]])
    assert not Instance.objects.filter(next_probe_at__lt=NOW + timedelta(days=365)).exists()
    assert BackupSchedule.objects.get().next_due_at is None
    assert not Occurrence.objects.exclude(next_check_at=None).exists()
    assert not Occurrence.objects.filter(status=OccurrenceStatus.DUE).exists()
    assert not Job.objects.filter(status__in=(JobStatus.PENDING, JobStatus.RUNNING)).exists()
    for repository in Repository.objects.all():
        assert Path(repository.path, "mooring.json").exists()
