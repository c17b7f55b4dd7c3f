"""listschedules, showschedule, pauseschedule, resumeschedule: codes, words and JSON."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine

from backups.models import Backup, BackupSchedule, Instance
from monitor.forms.schedule import ScheduleForm
from tests.backups.planning import HOUR, T0, make_instances, make_place, make_schedule, tick
from tests.commands import run_command

pytestmark = pytest.mark.django_db


@pytest.fixture
def nightly(db: None) -> BackupSchedule:
    make_place()
    covered, _ = make_instances(2)
    return make_schedule(covered, cron="30 2 * * *", time_zone="Europe/Berlin")


def test_listschedules(nightly: BackupSchedule) -> None:
    tick(T0)
    with time_machine.travel(T0 + HOUR, tick=False):
        ended = run_command("listschedules", "--json")
        text = run_command("listschedules").stdout
    (row,) = ended.json()["schedules"]
    assert (row["name"], row["state"], row["instances"]) == ("nightly", "enabled", 1)
    assert row["next_due_at"] == "2026-03-03T01:30:00+00:00"
    assert row["last_30_days"]["due"] == 1
    assert ended.json()["not_covered"] == ["shard-1"]
    assert "30 2 * * * Europe/Berlin" in text
    assert "Instances without a schedule: shard-1." in text


def test_listschedules_of_nothing(db: None) -> None:
    assert "no schedules" in run_command("listschedules").stdout


def test_showschedule(nightly: BackupSchedule) -> None:
    with time_machine.travel(datetime(2026, 3, 28, 12, tzinfo=UTC), tick=False):
        fields = run_command("showschedule", "nightly", "--json").json()
        text = run_command("showschedule", "nightly").stdout
    assert len(fields["next_runs"]) == 10
    assert fields["next_runs"][0] == {
        "local": "2026-03-29T03:00:00+02:00",
        "utc": "2026-03-29T01:00:00+00:00",
        "kind": "full",
        "note": "clocks go forward: 02:30 does not exist, runs at 03:00",
    }
    assert fields["instances"] == {"shard-0": 0.0}
    assert "2026-03-30 02:30 CEST" in text
    missing = run_command("showschedule", "nightli")
    assert (missing.exit_code, "nightly" in missing.stderr) == (2, True)


def test_showschedule_of_a_rhythm_with_full_backups(nightly: BackupSchedule) -> None:
    BackupSchedule.objects.update(kind="incremental", full_cron="30 2 * * 0")
    with time_machine.travel(datetime(2026, 3, 28, 12, tzinfo=UTC), tick=False):
        fields = run_command("showschedule", "nightly", "--json").json()
        text = run_command("showschedule", "nightly").stdout
    assert [run["kind"] for run in fields["next_runs"][:2]] == ["full", "incremental"]
    assert "nightly: incremental, 30 2 * * *, full 30 2 * * 0 Europe/Berlin, enabled" in text


def test_showschedule_shows_every_setting_of_the_form(nightly: BackupSchedule) -> None:
    nightly.copy_to.add(make_place("offsite"))
    BackupSchedule.objects.update(
        copy_opens_at=time(0, 30), copy_closes_at=time(5), keep_for=timedelta(days=14), retries=3
    )
    settings = run_command("showschedule", "nightly", "--json").json()["settings"]
    assert set(ScheduleForm.base_fields) <= set(settings)
    assert (settings["copy_to"], settings["copy_opens_at"]) == (["offsite"], "00:30:00")
    assert (settings["repositories"], settings["instances"]) == ([], ["shard-0"])
    lines = run_command("showschedule", "nightly").stdout.splitlines()
    rows = {" ".join(line.split()) for line in lines}
    assert "copied to offsite, between 00:30 and 05:00, Europe/Berlin" in rows
    assert {"repositories the only enabled one", "keep for 14 d 0 h", "retries 3"} <= rows
    # A default.
    assert not [row for row in rows if row.startswith("stagger")]


def test_pauseschedule_and_resumeschedule(nightly: BackupSchedule) -> None:
    with time_machine.travel(T0, tick=False):
        ended = run_command(
            "pauseschedule", "nightly", "--reason", "upgrade", "--until", "2026-03-02T08:00+01:00"
        )
        assert ended.stdout == "nightly is paused until 2026-03-02 07:00Z: upgrade\n"
        nightly.refresh_from_db()
        assert nightly.paused(T0)
        assert run_command("resumeschedule", "nightly").exit_code == 0
        nightly.refresh_from_db()
        assert not nightly.paused(T0)
        assert run_command("resumeschedule", "nightly").exit_code == 2
        for until in ("tomorrow", "2026-13-01T00:00", "2026-03-01T00:00"):
            bad = run_command("pauseschedule", "nightly", "--reason", "x", "--until", until)
            assert bad.exit_code == 2


def test_schedules_in_a_chain(nightly: BackupSchedule) -> None:
    covered, other = Instance.objects.order_by("name")
    make_schedule(covered, other, name="logs", cron="", after=nightly)
    with time_machine.travel(T0, tick=False):
        listed = run_command("listschedules").stdout
        shown = run_command("showschedule", "logs")
        fields = run_command("showschedule", "logs", "--json").json()
    assert "after nightly" in listed
    assert "nightly does not cover shard-1: no runs" in shown.stdout
    assert (fields["after"], fields["after_run"]) == ("nightly", "succeeded")
    assert fields["next_runs"][0]["note"] == "after nightly"
    BackupSchedule.objects.filter(name="nightly").update(enabled=False)
    assert "waits: nightly is disabled" in run_command("listschedules").stdout


def test_runs_that_will_not_fit_are_named(nightly: BackupSchedule) -> None:
    covered = Instance.objects.order_by("name")[0]
    for night in range(1, 5):
        at = T0 - night * 24 * HOUR
        Backup.objects.create(
            label=str(night), instance=covered, kind="full", started_at=at, ended_at=at + 5 * HOUR
        )
    with time_machine.travel(T0, tick=False):
        listed = run_command("listschedules").stdout
        row = run_command("listschedules", "--json").json()["schedules"][0]
        shown = run_command("showschedule", "nightly", "--json").json()
    assert "Next runs that will not fit their window: nightly 1." in listed
    assert row["will_not_fit"] == 1
    assert shown["forecasts"]["shard-0"].startswith("will not fit: expected 5 h")
