"""Which alert settings follow an instance's name to another server?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alerts.evaluation.new_history import confirm_server
from alerts.models import RuleSetting, Silence
from backups.exceptions import Refused
from backups.instances.identity import Replacement, note_server
from backups.models import Activity, Instance
from tests.commands import run_command

pytestmark = pytest.mark.django_db
T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@pytest.fixture
def orders() -> Instance:
    """An instance with a setting, a silence, and another server at its address."""
    instance = Instance.objects.create(name="orders-1")
    RuleSetting.objects.create(rule="not_covered", instance=instance, thresholds={"warning": 7})
    RuleSetting.objects.create(rule="not_covered")
    Silence.objects.create(comment="migration").instances.add(instance)
    Silence.objects.create(comment="of others")
    note_server(instance, "its-own", T0)
    note_server(instance, "another", T0)
    return instance


def test_settings_and_silences_apply_to_the_new_history_too(orders: Instance) -> None:
    ended = run_command("confirmserver", "orders-1", "--as", "another", app="alerts")
    assert ended.exit_code == 0, ended.stderr
    new = Instance.objects.get(name="orders-1")
    assert new.pk != orders.pk
    setting = RuleSetting.objects.get(instance=new)
    assert (setting.rule, setting.thresholds) == ("not_covered", {"warning": 7})
    assert [silence.comment for silence in Silence.objects.filter(instances=new)] == ["migration"]
    assert RuleSetting.objects.filter(instance=orders).count() == 1
    assert RuleSetting.objects.count() == 3


def test_the_same_data_keeps_its_settings_and_the_choice_is_recorded(orders: Instance) -> None:
    confirm_server(orders, Replacement.FAILED_OVER, T0)
    assert RuleSetting.objects.filter(instance=orders).count() == 1
    row = Activity.objects.get()
    assert (row.verb, row.details) == ("confirmed", {"server": "another", "as": "failed-over"})


def test_a_server_that_was_not_shown_is_not_accepted(orders: Instance) -> None:
    note_server(orders, "a third", T0)
    with pytest.raises(Refused, match="is a third by now, not another"):
        confirm_server(orders, Replacement.RESTORED, T0, seen="another")
    orders.refresh_from_db()
    assert (orders.server_identity, Activity.objects.count()) == ("its-own", 0)
