"""listalerts, acknowledgealert, checkrules, and what they say to a script."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.utils.timezone import now

from alerts.evaluation.evaluate import evaluate_all
from alerts.evaluation.preview import preview_rules
from alerts.models import Alert, AlertTransition, Silence
from alerts.rules import RULES
from backups.activity import command_actor
from backups.models import Instance
from backups.states import JobStatus
from tests.alerts.facts import broken
from tests.alerts.fleet import H, M, make_backup, make_instance, make_job, make_schedule
from tests.commands import Ended, run_command

pytestmark = pytest.mark.django_db


def run(name: str, *words: str) -> Ended:
    return run_command(name, *words, app="alerts")


@pytest.fixture
def orders() -> Instance:
    orders = make_instance(created_at=now() - 2 * H)
    make_schedule("nightly", orders)
    make_backup(orders, now() - H)
    make_job(orders, JobStatus.FAILED, now() - M, error="the server went away")
    return orders


def test_listalerts_shows_what_is_open(orders: Instance) -> None:
    assert "no alerts" in run("listalerts").stdout
    evaluate_all(now())
    (alert,) = run("listalerts", "--json").json()["alerts"]
    assert (alert["rule"], alert["severity"], alert["status"]) == (
        "job_failed",
        "emergency",
        "firing",
    )
    assert "the server went away" in run("listalerts", "--instance", "orders-1").stdout
    assert "no alerts" in run("listalerts", "--rule", "job_lost").stdout


def test_listalerts_without_an_instance_says_that() -> None:
    ended = run("listalerts")
    assert "no instance yet" in ended.stdout
    assert run("listalerts", "--json").json() == {"alerts": []}


def test_listalerts_shows_silenced_and_resolved_ones_as_such(orders: Instance) -> None:
    evaluate_all(now())
    Silence.objects.create(comment="moving house", starts_at=now() - M)
    assert "firing, silenced" in run("listalerts").stdout
    Instance.objects.update(enabled=False)
    evaluate_all(now())
    assert "no alerts" in run("listalerts").stdout
    (alert,) = run("listalerts", "--all", "--json").json()["alerts"]
    assert (alert["status"], alert["silenced_by"]) == ("resolved", "moving house")


def test_acknowledgealert_acknowledges_once(orders: Instance) -> None:
    evaluate_all(now())
    number = str(Alert.objects.get().pk)
    done = run("acknowledgealert", number, "--comment", "disk is ordered", "--json")
    assert done.json()["status"] == "acknowledged"
    assert Alert.objects.get().comment == "disk is ordered"
    assert AlertTransition.objects.latest("id").actor == command_actor().name
    again = run("acknowledgealert", number)
    assert (again.exit_code, "already acknowledged: disk is ordered" in again.stderr) == (3, True)
    assert run("acknowledgealert", "4711").exit_code == 2


def test_checkrules_shows_what_each_rule_would_find_and_writes_nothing(orders: Instance) -> None:
    rules = {rule["rule"]: rule for rule in run("checkrules", "--json").json()["rules"]}
    assert rules.keys() == RULES.keys()
    assert [found["subject_name"] for found in rules["job_failed"]["findings"]] == ["orders-1"]
    off = rules["incrementals_unused"]
    assert (off["enabled"], len(off["findings"])) == (False, 1)
    assert not Alert.objects.exists()


def test_checkrules_asks_one_rule_about_one_instance(orders: Instance) -> None:
    other = make_instance("blog", created_at=now() - M)
    make_job(other, JobStatus.FAILED, now())
    shown = run("checkrules", "--rule", "job_failed", "--instance", "blog").stdout
    assert "blog" in shown
    assert "orders-1" not in shown


def test_a_broken_rule_is_shown_as_such(orders: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, "job_failed", replace(RULES["job_failed"], check=broken))
    found = {preview.rule.name: preview for preview in preview_rules(now())}
    assert "ZeroDivisionError" in found["job_failed"].broken
    assert run("checkrules").exit_code == 1
