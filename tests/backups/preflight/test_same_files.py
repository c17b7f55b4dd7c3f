"""What if nothing proves that the tool reads the files of the server connected to?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from backups.checks import Check, Verdict
from backups.exceptions import Refused
from backups.instances.files import confirm_files
from backups.models import Activity, Instance
from backups.preflight.checks import decide_checks, refuse_if_failed
from backups.preflight.same_files import note_unproven_files
from backups.preflight.survey import ConfirmedFiles, Survey
from tests.backups.preflight.test_checks import FACTS, HOST, SOUND
from tests.commands import run_command

pytestmark = pytest.mark.django_db
T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
OWN = replace(FACTS, identity="uuid-of-orders")
# Such as of MariaDB 10.6: the format of its redo log is not read.
UNPROVEN = replace(SOUND, name="orders-1", facts=OWN, found_checkpoint=None, lsn_after=None)
FILES = "/var/lib/mysql/ on db-1 and server uuid-of-orders"


@pytest.fixture
def orders() -> Instance:
    instance = Instance.objects.create(name="orders-1")
    note_unproven_files(instance, UNPROVEN)
    return Instance.objects.get()


def check_of(survey: Survey) -> Check:
    (check,) = [decided for decided in decide_checks(survey) if decided.name == "one server"]
    return check


def confirmed(instance: Instance, survey: Survey = UNPROVEN) -> Survey:
    """Return the survey as it is made of the row."""
    instance.refresh_from_db()
    assert instance.files_confirmed_at is not None
    by, at = instance.files_confirmed_by, instance.files_confirmed_at
    return replace(survey, confirmed=ConfirmedFiles(instance.files_confirmed, by, at))


def test_a_backup_is_refused_until_an_admin_confirms(orders: Instance) -> None:
    with pytest.raises(Refused, match="one server: not proven") as refused:
        refuse_if_failed(decide_checks(UNPROVEN))
    assert "confirmfiles orders-1" in refused.value.hint
    ended = run_command("confirmfiles", "orders-1", "--json")
    assert ended.json()["files"] == FILES
    refuse_if_failed(decide_checks(confirmed(orders)))


def test_the_doctor_keeps_saying_so_with_who_and_when(orders: Instance) -> None:
    confirm_files(orders, T0)
    check = check_of(confirmed(orders))
    assert check.verdict is Verdict.WARNING
    assert "not proven" in check.found
    assert check.found.endswith("; confirmed by mooring on 2026-03-02")
    row = Activity.objects.get()
    assert (row.verb, row.actor, row.details) == ("confirmed", "mooring", {"files": FILES})


@pytest.mark.parametrize(
    "change",
    [
        {"facts": replace(OWN, identity="uuid-of-another")},
        {"facts": replace(OWN, datadir="/srv/mysql/")},
        {"host": replace(HOST, hostname="db-2")},
    ],
)
def test_a_confirmation_is_void_for_another_server_folder_or_host(
    orders: Instance, change: dict[str, object]
) -> None:
    confirm_files(orders, T0)
    other = replace(UNPROVEN, **change)  # type: ignore[arg-type]
    assert check_of(confirmed(orders, other)).verdict is Verdict.FAILED
    note_unproven_files(orders, other)
    assert Instance.objects.get().files_await_confirmation


def test_what_is_proven_needs_no_confirmation(orders: Instance) -> None:
    note_unproven_files(orders, replace(SOUND, facts=OWN))
    assert Instance.objects.get().files_unproven == ""
    with pytest.raises(Refused, match="nothing to confirm"):
        confirm_files(orders, T0)


def test_files_of_another_server_are_no_matter_of_confirmation(orders: Instance) -> None:
    confirm_files(orders, T0)
    wrong = replace(SOUND, facts=OWN, found_checkpoint=999)
    assert check_of(confirmed(orders, wrong)).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    "survey",
    [
        replace(UNPROVEN, facts=None),
        replace(UNPROVEN, host=replace(HOST, files=None)),
        replace(UNPROVEN, known_identity="uuid-of-another"),
    ],
)
def test_what_was_not_seen_changes_nothing(orders: Instance, survey: Survey) -> None:
    moved = survey if survey.facts is None else replace(survey, facts=replace(OWN, datadir="/x/"))
    note_unproven_files(orders, moved)
    assert Instance.objects.get().files_unproven == FILES


def test_a_confirmation_is_of_what_was_shown_and_given_once(orders: Instance) -> None:
    with pytest.raises(Refused, match="not something else"):
        confirm_files(orders, T0, seen="something else")
    confirm_files(orders, T0, seen=FILES)
    with pytest.raises(Refused, match="nothing to confirm"):
        confirm_files(orders, T0)
