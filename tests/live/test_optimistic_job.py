"""Jobs that copy quiet tables first: proven by a restore and a restore test, refused over ssh."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.catalog.facts import details_of
from backups.engines.mariadb_backup import MariadbDetails, options
from backups.engines.mariadb_backup.quiet import FileMark
from backups.models import Backup, Instance, JobStage, Repository
from backups.programs.private_server import PrivateServer
from tests.commands import Ended, run_command
from tests.live.bank import Teller
from tests.live.sshd import private_sshd
from tests.live.test_first_backup import add_instance, assert_sound, main, serve

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

__all__ = ["main"]


@pytest.fixture(autouse=True)
def _quiet_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "LEAST_AGE_SECONDS", 1)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    with serve(tmp_path_factory.mktemp("bank") / "data") as server:
        with server.connect(database="bank") as root, root.cursor() as cursor:
            cursor.execute("CREATE DATABASE other")
            cursor.execute("CREATE TABLE other.still (id INT PRIMARY KEY, note TEXT)")
            cursor.execute("INSERT INTO other.still SELECT seq, MD5(seq) FROM seq_1_to_20000")
        yield server


@pytest.fixture
def instance(bank: PrivateServer, main: Repository) -> Instance:
    return add_instance(bank)


def take(*words: str) -> Ended:
    return run_command("takebackup", "bank-1", *words, "--foreground", "--json")


def await_quiet(server: PrivateServer) -> None:
    with server.connect() as root, root.cursor() as cursor:
        cursor.execute("FLUSH TABLES bank.notes, other.still FOR EXPORT")
        cursor.execute("UNLOCK TABLES")
    deadline = time.monotonic() + 20
    files = [server.folder / name for name in ("bank/notes.ibd", "other/still.ibd")]
    while max(FileMark.of(path.stat()).changed_ns for path in files) > time.time_ns() - 1.1e9:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_quiet_and_busy_tables_restore_together(
    bank: PrivateServer, instance: Instance, tmp_path: Path
) -> None:
    await_quiet(bank)
    with Teller(bank.connect):
        ended = take("--optimistic", "--optimistic-time", "1s")
    assert ended.exit_code == 0, ended.stdout
    backup = Backup.objects.get()
    details = details_of(backup)
    assert isinstance(details, MariadbDetails)
    assert (details.optimistic, details.late_attempts) == (True, 0)
    assert details.quiet_tables is not None and details.quiet_tables >= 2
    stage = JobStage.objects.get(name="quiet tables")
    assert stage.status == "succeeded" and stage.detail.startswith(f"{details.quiet_tables} table")
    tested = run_command("testrestore", backup.label, "--foreground", "--json")
    assert tested.exit_code == 0, tested.stdout
    assert run_command("verifybackup", backup.label, "--pages", "--foreground").exit_code == 0
    restored = run_command(
        "restorebackup", backup.label, "--to", str(tmp_path / "restored"), "--foreground", "--json"
    )
    assert restored.exit_code == 0, restored.stdout
    assert_sound(tmp_path / "restored")


def test_an_incremental_backup_goes_the_same_way(bank: PrivateServer, instance: Instance) -> None:
    assert take().exit_code == 0
    await_quiet(bank)
    with Teller(bank.connect):
        ended = take("--kind", "incremental", "--optimistic", "--optimistic-time", "1s")
    assert ended.exit_code == 0, ended.stdout
    backup = Backup.objects.get(kind="incremental")
    details = details_of(backup)
    assert isinstance(details, MariadbDetails) and details.optimistic is True
    tested = run_command("testrestore", backup.label, "--foreground", "--json")
    assert tested.exit_code == 0, tested.stdout


def test_a_normal_backup_has_no_stage_of_quiet_tables(instance: Instance) -> None:
    assert take().exit_code == 0
    assert not JobStage.objects.filter(name="quiet tables").exists()


def test_over_ssh_it_is_refused_before_anything_is_read(
    bank: PrivateServer, main: Repository, tmp_path: Path
) -> None:
    with private_sshd(tmp_path / "sshd") as host:
        way = ["--runner", "ssh", "--ssh-host", host.host, "--ssh-user", host.user]
        way += ["--ssh-port", str(host.port), "--ssh-identity-file", str(host.identity_file)]
        way += ["--ssh-known-hosts-file", str(host.known_hosts)]
        add_instance(bank, *way)
        ended = take("--optimistic")
    assert ended.exit_code == 3
    assert "the worker does not read the data folder itself" in ended.json()["error"]
    assert Backup.objects.count() == 0
