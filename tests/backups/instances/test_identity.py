"""What happens when another server answers at the address of an instance?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backups.checks import Verdict
from backups.exceptions import Refused
from backups.instances.identity import Replacement, accept_server, note_server
from backups.models import BackupSchedule, Instance
from backups.preflight.checks import decide_checks, remember
from tests.backups.preflight.test_checks import FACTS, SOUND
from tests.commands import run_command

pytestmark = pytest.mark.django_db
T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
OWN, OTHER = "uuid-of-orders", "uuid-of-another"


@pytest.fixture
def orders() -> Instance:
    instance = Instance.objects.create(name="orders-1")
    note_server(instance, OWN, T0)
    return instance


def test_the_first_server_is_the_instances_own(orders: Instance) -> None:
    assert (orders.server_identity, orders.other_server) == (OWN, "")


def test_another_is_noted_since_it_was_first_seen_and_forgotten_with_the_own(
    orders: Instance,
) -> None:
    note_server(orders, OTHER, T0)
    note_server(orders, OTHER, T0 + timedelta(hours=1))
    assert (orders.server_identity, orders.other_server) == (OWN, OTHER)
    assert orders.other_server_since == T0
    note_server(orders, OWN, T0 + timedelta(hours=2))
    assert orders.other_server == ""
    assert Instance.objects.filter(other_server_since=None).exists()


def test_a_backup_of_another_is_refused(orders: Instance) -> None:
    facts = replace(FACTS, identity=OTHER)
    survey = replace(SOUND, name="orders-1", known_identity=OWN, facts=facts)
    (check,) = [decided for decided in decide_checks(survey) if decided.name == "server"]
    assert (check.verdict, OTHER in check.found, OWN in check.found) == (Verdict.FAILED, True, True)
    assert "confirmserver orders-1" in check.hint


def test_what_another_reports_is_not_known_of_the_instance(orders: Instance) -> None:
    remember(orders, replace(FACTS, identity=OTHER), T0, raw_bytes=7)
    orders.refresh_from_db()
    assert (orders.version, orders.data_bytes, orders.other_server) == ("", None, OTHER)


@pytest.mark.parametrize("kind", ["restored", "failed-over"])
def test_the_same_data_goes_on_with_its_history(orders: Instance, kind: str) -> None:
    note_server(orders, OTHER, T0)
    ended = run_command("confirmserver", "orders-1", "--as", kind, app="alerts")
    assert ended.exit_code == 0, ended.stderr
    row = Instance.objects.get()
    assert (row.pk, row.server_identity, row.other_server) == (orders.pk, OTHER, "")


def test_other_data_begins_a_new_history(orders: Instance) -> None:
    orders.set_password("s3cret")
    orders.save()
    nightly = BackupSchedule.objects.create(name="nightly", cron="0 1 * * *")
    nightly.instances.add(orders)
    note_server(orders, OTHER, T0)
    new = accept_server(orders, Replacement.ANOTHER, T0)
    orders.refresh_from_db()
    assert (new.name, orders.name) == ("orders-1", "orders-1-until-20260302T0100")
    assert (new.enabled, orders.enabled) == (True, False)
    assert (new.server_identity, orders.server_identity) == (OTHER, OWN)
    assert new.uuid != orders.uuid
    assert new.password() == "s3cret"
    assert list(new.schedules.all()) == [nightly]


def test_without_another_server_there_is_nothing_to_confirm(orders: Instance) -> None:
    with pytest.raises(Refused, match="no other server"):
        accept_server(orders, Replacement.RESTORED, T0)
