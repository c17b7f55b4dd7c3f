"""3-2-1-1-0 as an alert: what is wanted, what is unknown, and only where it is enabled."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.utils.timezone import now

from alerts.evaluation.evaluate import evaluate_all
from alerts.evaluation.preview import preview_rules
from alerts.facts.instance import CopiesFacts
from alerts.models import Alert, RuleSetting
from alerts.rules import Finding
from alerts.rules.spread import COPIES_NOT_SPREAD
from backups.health.spread import SpreadFacts, judge_spread
from backups.models import InstanceGroup
from tests.alerts.facts import ask_rule
from tests.alerts.fleet import H, make_backup, make_instance, make_repository
from tests.alerts.test_facts import fleet_facts
from tests.backups.health.test_spread import FAR, GOOD, NEAR

NAME = COPIES_NOT_SPREAD.name
ONE = replace(GOOD, copies=(replace(FAR, undeletable_by=""),))


def found(facts: SpreadFacts, **limits: float | None) -> Finding | None:
    return ask_rule(NAME, answers=judge_spread(facts), limits=limits)


def test_all_that_is_missing_is_one_finding() -> None:
    finding = found(ONE)
    assert finding is not None
    assert finding.message == (
        "not as wanted of 3 copies: the instance's own data, and far; 1 that nobody can delete: "
        "whoever takes over a worker can delete every copy"
    )
    assert finding.hint.startswith("Keep a recent copy in another repository. Keep a copy in a ")
    assert finding.facts == {"missing": ["3 copies", "1 that nobody can delete"]}


@pytest.mark.parametrize(
    ("facts", "limits", "missing"),
    [
        (GOOD, {}, []),
        (GOOD, {"copies": 4, "elsewhere": 2}, ["3 copies", "1 at another site"]),
        (ONE, {"undeletable": None}, ["3 copies"]),
        (ONE, {"undeletable": None, "copies": 2}, []),
        (replace(GOOD, faulty=2), {}, ["0 errors"]),
        (replace(GOOD, faulty=2), {"errors": 2}, []),
        # Unknown: the site of the instance; whether the copies are intact.
        (replace(GOOD, site=""), {}, []),
        (replace(GOOD, copies=(NEAR, replace(FAR, proven_at=None))), {}, []),
    ],
)
def test_only_what_is_wanted_and_known_to_be_missing(
    facts: SpreadFacts, limits: dict[str, float | None], missing: list[str]
) -> None:
    finding = found(facts, **limits)
    assert (finding.facts["missing"] if finding else []) == missing


@pytest.mark.django_db
def test_it_is_off_until_a_setting_enables_it_for_a_part_of_the_fleet() -> None:
    shop = InstanceGroup.objects.create(name="shop")
    main = make_repository()
    for name in ("orders-1", "stock-1", "new-1"):
        instance = make_instance(name)
        if name != "new-1":
            make_backup(instance, now() - H, main)
        if name != "stock-1":
            instance.groups.add(shop)
    assert fleet_facts(CopiesFacts) == []
    evaluate_all(now())
    assert not Alert.objects.filter(rule=NAME).exists()
    # The dry run shows what it would find, except of what has no backup at all.
    assert preview_rules(now(), names=[NAME])[0].count == 2
    RuleSetting.objects.create(rule=NAME, group=shop, enabled=True)
    evaluate_all(now())
    alert = Alert.objects.get(rule=NAME)
    assert alert.subject_name == "orders-1, its copies"
    assert "3 copies: the instance's own data, and main" in alert.message
