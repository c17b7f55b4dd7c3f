"""listhooks and runhook: what would run, what is wrong with it, and a trial without a job."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from backups.checks import Verdict
from backups.hooks.checks import hook_checks
from backups.models import Activity, BackupSchedule, Instance, InstanceGroup, Job
from tests.backups.hooks.made import OURSELVES, hooks_file, shell_hook
from tests.commands import run_command

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def file(tmp_path: Path, settings: Settings, orders: Instance) -> Path:
    shop = InstanceGroup.objects.create(name="shop")
    shop.instances.add(orders)
    Instance.objects.create(name="stock-1")
    BackupSchedule.objects.create(name="nightly", cron="0 1 * * *", covers_all=True)
    settings.HOOKS_FILE = tmp_path / "hooks.toml"
    return hooks_file(
        tmp_path,
        shell_hook("mount", "before", 'echo "for $MOORING_INSTANCE"', 'groups = ["shop"]')
        + '[hold]\nwhen = "before-copy"\nsql = "STOP SLAVE"\nschedules = ["nightly"]\n'
        + shell_hook("report", "after", "exit 7"),
    )


def names(*words: str) -> list[str]:
    return [hook["name"] for hook in run_command("listhooks", *words, "--json").json()["hooks"]]


def test_listhooks_selects_by_instance_and_schedule() -> None:
    assert names() == ["mount", "hold", "report"]
    assert names("--instance", "orders-1") == ["mount", "hold", "report"]
    assert names("--instance", "stock-1") == ["hold", "report"]
    BackupSchedule.objects.create(name="weekly", cron="0 1 * * 0")
    assert names("--instance", "stock-1", "--schedule", "weekly") == ["report"]
    shown = run_command("listhooks").stdout
    assert "before-copy" in shown and "backup jobs; schedules nightly" in shown


def test_listhooks_says_what_could_not_run(file: Path) -> None:
    file.write_text('[gone]\nwhen = "after"\ncommand = ["/usr/local/bin/no-such-hook"]\n')
    ended = run_command("listhooks")
    assert ended.exit_code == 1
    assert "/usr/local/bin/no-such-hook cannot be run: No such file" in ended.stdout
    file.chmod(0o666)
    ended = run_command("listhooks")
    assert ended.exit_code == 2
    assert "could be changed by others" in ended.stderr


def test_runhook_shows_what_it_would_run_and_runs_nothing() -> None:
    ended = run_command("runhook", "mount", "--instance", "orders-1", "--json")
    assert ended.json()["environment"]["MOORING_INSTANCE"] == "orders-1"
    assert ended.json()["command"][-3:] == ["/bin/sh", "-c", 'echo "for $MOORING_INSTANCE"']
    assert "for orders-1" not in run_command("runhook", "mount", "--instance", "orders-1").stdout
    assert not Activity.objects.filter(verb="tested").exists()


def test_runhook_runs_one_for_real_without_a_job() -> None:
    ended = run_command("runhook", "mount", "--instance", "orders-1", "--real")
    assert (ended.exit_code, ended.stdout) == (0, "for orders-1\nmount: exit code 0\n")
    ended = run_command("runhook", "report", "--instance", "orders-1", "--real")
    assert (ended.exit_code, ended.stdout) == (1, "report: exit code 7\n")
    assert Activity.objects.filter(verb="tested", details={"hook": "mount"}).count() == 1
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("mounted", "--instance", "orders-1"), "has no hook mounted: it has mount, hold, report"),
        (("mount", "--instance", "stock-1"), "hook mount does not belong to such jobs of stock-1"),
        (("hold", "--instance", "stock-1"), "hook hold does not belong to such jobs of stock-1"),
    ],
)
def test_runhook_of_what_would_never_run(words: tuple[str, ...], problem: str) -> None:
    ended = run_command("runhook", *words)
    assert ended.exit_code == 2
    assert problem in ended.stderr


def test_doctor_checks_the_hooks_of_an_instance(file: Path, orders: Instance) -> None:
    (check,) = hook_checks(orders)
    assert (check.verdict, check.found) == (
        Verdict.OK,
        "before: mount, before-copy: hold, after: report",
    )
    file.write_text('[gone]\nwhen = "before"\ncommand = ["/usr/local/bin/no-such-hook"]\n')
    (check,) = hook_checks(orders)
    assert (check.name, check.verdict) == ("hook gone", Verdict.FAILED)
    file.write_text(f'[gone]\nwhen = "after"\nuser = "{OURSELVES}"\ncommand = ["/usr/bin"]\n')
    (check,) = hook_checks(orders)
    assert (check.verdict, check.found) == (Verdict.WARNING, "/usr/bin is not an executable file")
    file.chmod(0o666)
    (check,) = hook_checks(orders)
    assert (check.name, check.verdict) == ("hooks", Verdict.FAILED)
    file.unlink()
    assert hook_checks(orders) == []
