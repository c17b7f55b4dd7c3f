"""What the rules of a backup's pace say, and that they read the newest backup's facts."""

from __future__ import annotations

import pytest

from alerts.facts import load_fleet_facts
from alerts.facts.instance import BackupFacts
from backups.models import Backup
from backups.pacing.facts import PaceFacts
from tests.alerts.facts import NOW, ask_rule
from tests.monitor.rows import make_backup, make_instance, make_repository


def said(rule: str, facts: PaceFacts) -> str:
    finding = ask_rule(rule, pace=facts)
    assert finding is not None
    return finding.message


def test_the_figures_are_in_the_message() -> None:
    facts = PaceFacts(p99_before_ms=8, p99_during_ms=90, target_ms=40)
    assert said("writers_slowed", facts) == (
        "orders-1@7-F slowed its instance: p99 90.0 ms during the copy, 8.0 ms before it, "
        "target 40.0 ms"
    )
    facts = PaceFacts(measure="mean", p99_during_ms=90, target_ms=40)
    assert said("writers_slowed", facts) == (
        "orders-1@7-F slowed its instance: mean statement time 90.0 ms during the copy, "
        "target 40.0 ms"
    )


def test_the_race_is_said_with_what_is_known_of_it() -> None:
    assert said("redo_race", PaceFacts(redo_worst_share=0.961, redo_lifted=2)) == (
        "orders-1@7-F nearly lost its race with the redo log: 96 % of it was written and not "
        "copied, its limit was lifted 2 times"
    )
    assert said("redo_race", PaceFacts(redo_lifted=1)).endswith("log: its limit was lifted once")


@pytest.mark.django_db
def test_the_newest_backup_brings_its_facts_and_an_older_one_none() -> None:
    orders = make_instance("orders-1")
    backup = make_backup(orders, make_repository()).backup
    for stored, known in (({}, None), ({"p99_during_ms": 30}, PaceFacts(p99_during_ms=30))):
        Backup.objects.filter(pk=backup.pk).update(pace=stored)
        (facts,) = (one for one in load_fleet_facts([orders.pk], NOW) if type(one) is BackupFacts)
        assert facts.pace == known
