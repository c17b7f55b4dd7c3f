"""archivebinlogs, listbinlogs and receivebinlogs."""

from __future__ import annotations

import fcntl
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.models import Instance, Repository
from backups.models.activity import Activity
from backups.models.binlog import BinlogArchive, ReceiverState
from tests.commands import run_command

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def enable(*words: str) -> int:
    return run_command("archivebinlogs", "orders-1", "--no-check", *words).exit_code


def test_an_archive_is_enabled_changed_and_disabled(orders: Instance, main: Repository) -> None:
    assert enable("--repository", "main", "--acknowledge") == 0
    archive = BinlogArchive.objects.get()
    assert (archive.enabled, archive.acknowledge) == (True, True)
    assert list(archive.repositories.all()) == [main]
    assert enable("--no-acknowledge") == 0
    assert run_command("archivebinlogs", "orders-1", "--off").exit_code == 0
    identity = archive.server_id, archive.replica_uuid
    archive.refresh_from_db()
    assert (archive.enabled, archive.acknowledge) == (False, False)
    assert Activity.objects.filter(instance_name="orders-1").count() == 3
    assert enable() == 0
    archive.refresh_from_db()
    # Whoever still receives with the old one must not be disconnected in turns.
    assert archive.enabled
    assert (archive.server_id, archive.replica_uuid) != identity


@pytest.mark.parametrize("words", [
    (), ("--off",), ("--off", "--repository", "main"),
    ("--acknowledge", "--no-acknowledge", "--repository", "main"), ("--repository", "other"),
])  # fmt: skip
def test_what_contradicts_itself_is_bad_input(
    orders: Instance, main: Repository, words: tuple[str, ...]
) -> None:
    assert enable(*words) == 2
    assert not BinlogArchive.objects.exists()


def test_an_instance_that_does_not_answer_is_not_enabled(
    orders: Instance, main: Repository
) -> None:
    Instance.objects.update(port=1)
    ended = run_command("archivebinlogs", "orders-1", "--repository", "main")
    assert (ended.exit_code, BinlogArchive.objects.exists()) == (1, False)


def test_the_list_says_what_each_archive_does(orders: Instance, main: Repository) -> None:
    assert "no binlogs are archived" in run_command("listbinlogs").stdout
    enable("--repository", "main", "--acknowledge")
    BinlogArchive.objects.update(
        state=ReceiverState.REFUSED,
        reason="no right",
        hint="Grant it.",
        lease_expires_at=now() + MINUTE,
    )
    shown = run_command("listbinlogs", "orders-1").stdout
    assert "Refused" in shown
    assert "orders-1: no right" in shown
    (fields,) = run_command("listbinlogs", "--json").json()["archives"]
    assert (fields["state"], fields["rpo_zero"]) == ("refused", False)


def test_a_second_process_does_not_write_into_the_spool(tmp_path: Path, settings: Settings) -> None:
    settings.BINLOG_SPOOL = tmp_path
    with (tmp_path / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = run_command("receivebinlogs")
    assert ended.exit_code == 3
    assert "another process receives binlogs" in ended.stderr


def test_rpo_0_is_shown_only_while_the_source_waits(orders: Instance, main: Repository) -> None:
    enable("--repository", "main", "--acknowledge")
    for waits in (True, False, None):
        BinlogArchive.objects.update(
            state=ReceiverState.RECEIVING, source_waits=waits, lease_expires_at=now() + MINUTE
        )
        (fields,) = run_command("listbinlogs", "--json").json()["archives"]
        assert fields["rpo_zero"] is bool(waits)


def test_a_receiver_that_was_killed_receives_nothing(orders: Instance, main: Repository) -> None:
    enable("--repository", "main", "--acknowledge")
    BinlogArchive.objects.update(
        state=ReceiverState.RECEIVING, source_waits=True, lease_expires_at=now() - MINUTE
    )
    assert "Stopped" in run_command("listbinlogs").stdout
    (fields,) = run_command("listbinlogs", "--json").json()["archives"]
    assert (fields["state"], fields["rpo_zero"]) == ("stopped", False)
