"""An upgrade rehearsed for real: a backup of the installed MariaDB becomes a newer series."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import Backup, Evidence, Rehearsal
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.programs.server_program import program
from tests.commands import Ended, run_command
from tests.live import clone_jobs
from tests.live.faults import Place, make_place
from tests.live.mysql import PrivateMysql
from tests.live.mysql import program as mysql_program
from tests.live.mysql57 import mysql57_folder
from tests.live.newer_mariadb import installed_is_older, newer_mariadbd, version_of
from tests.live.server import LiveServer, free_port, new_mariadb

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]
CHECKS = """-- every order has its note
SELECT COUNT(*) = 5000 FROM shop.orders;
SELECT SUM(id) FROM shop.visits;
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder, port = tmp_path_factory.mktemp("rehearsed") / "data", free_port()
    new_mariadb(folder)
    options = {"innodb-log-file-size": "64M"}
    with PrivateServer(folder, ServerOptions(port=port, server_id=1, options=options)) as started:
        yield LiveServer(started, "127.0.0.1", port)


@pytest.fixture
def place(server: LiveServer, tmp_path: Path, settings: Settings) -> Place:
    return make_place(server, tmp_path, settings)


def rehearse(place: Place, mysqld: str | Path, *words: str) -> Ended:
    label = Backup.objects.latest("pk").label
    return place.run("rehearseupgrade", label, "--mysqld", str(mysqld), *words)


def refused(place: Place, mysqld: str | Path, *words: str) -> str:
    """Rehearse what must be refused, with nothing touched; return why."""
    ended = rehearse(place, mysqld, *words)
    assert ended.exit_code in (2, 3), ended.json()
    assert ended.json()["hint"]
    assert not Rehearsal.objects.exists()
    assert not place.folder.joinpath("scratch").exists()
    return str(ended.json()["error"])


def test_a_backup_is_upgraded_and_checked(place: Place) -> None:
    place.label()
    (place.folder / "checks.sql").write_text(CHECKS)
    ended = rehearse(place, newer_mariadbd(), "--sql", str(place.folder / "checks.sql"))
    if not installed_is_older():
        assert "is not an upgrade: they are of one series" in ended.json()["error"]
        return
    assert ended.exit_code == 0, ended.json()
    rehearsal = Rehearsal.objects.get()
    assert (rehearsal.passed, rehearsal.failed_stage, rehearsal.error) == (True, "", "")
    release = f"MariaDB {version_of(newer_mariadbd())}"
    assert str(rehearsal).startswith(f"restores and upgrades to {release}: yes, ")
    assert rehearsal.origin == f"MariaDB {version_of(program('mariadbd'))}"
    assert_all_was_done(rehearsal)
    shown = run_command("showbackup", Backup.objects.get().label, "--json").json()
    assert shown["rehearsals"] == [f"{rehearsal}, {rehearsal.created_at:%Y-%m-%d}"]
    assert shown["proof"] == "not proven yet"
    # It is no proof of the backup.
    assert not Evidence.objects.exists()
    assert list((place.folder / "scratch").iterdir()) == []


def assert_all_was_done(rehearsal: Rehearsal) -> None:
    assert rehearsal.job is not None and rehearsal.took is not None
    lines = list(rehearsal.job.log_lines.values_list("text", flat=True))
    # The upgrade ran to its end.
    assert "Phase 8/8: Running 'FLUSH PRIVILEGES'" in lines
    assert set(rehearsal.stages) >= {"prepare", "clean shutdown", "upgrade", "check upgraded"}
    tables = {f"{table['schema']}.{table['name']}": table for table in rehearsal.report["tables"]}
    assert {table["verdict"] for table in tables.values()} <= {"ok", "unknown"}
    assert tables["shop.orders"]["rows"] == 5000
    assert [check["found"] for check in rehearsal.report["own_checks"]] == ["1", "500500"]


def test_what_fails_is_no_evidence_against_the_backup(place: Place) -> None:
    label = place.label()
    (place.folder / "checks.sql").write_text("SELECT COUNT(*) FROM shop.none;\n")
    ended = rehearse(place, newer_mariadbd(), "--sql", str(place.folder / "checks.sql"))
    if not installed_is_older():
        assert ended.exit_code == 3
        return
    assert ended.exit_code == 1
    assert "own checks failed: 1 of 1 own check failed" in ended.json()["error"]
    rehearsal = Rehearsal.objects.get()
    assert (rehearsal.passed, rehearsal.failed_stage) == (False, "own checks")
    assert not Evidence.objects.exists()
    assert list((place.folder / "scratch").iterdir()) == []
    assert place.run("testrestore", label).exit_code == 0


def test_what_is_no_upgrade_is_refused(place: Place) -> None:
    place.label()
    assert "is not an upgrade: they are of one series" in refused(place, program("mariadbd"))
    assert "is no upgrade but another product" in refused(place, mysql_program("mysqld"))
    assert "cannot be run: No such file" in refused(place, place.folder / "mariadbd")


def test_a_program_that_others_can_change_is_not_run(place: Place) -> None:
    place.label()
    changed = place.folder / "newer" / "mariadbd"
    changed.parent.mkdir()
    shutil.copy("/bin/true", changed)
    changed.chmod(0o777)
    assert "could be changed by others" in refused(place, changed)
    changed.chmod(0o755)
    changed.parent.chmod(0o777)
    assert "can be written by others than its owner" in refused(place, changed)
    changed.parent.chmod(0o755)
    if os.geteuid() == 0:
        # It is run by a user without rights, who may not even look into this folder.
        assert "Permission denied" in refused(place, changed)
        place.folder.chmod(0o755)
    assert "does not report its version" in refused(place, changed)
    if os.geteuid() == 0:
        os.chown(changed, 65534, 65534)
        assert "could be changed by others" in refused(place, changed)


def test_mysql_of_the_same_series_and_older_is_refused(tmp_path: Path, settings: Settings) -> None:
    with PrivateMysql(tmp_path / "donor") as donor:
        donor.execute(*clone_jobs.USER)
        main = clone_jobs.make_main(tmp_path, settings)
        clone_jobs.add_instance(donor)
        clone_jobs.taken()
        place = Place(LiveServer(None, "", 0), main, tmp_path)  # type: ignore[arg-type]
        assert "is not an upgrade: they are of one series" in refused(
            place, mysql_program("mysqld")
        )
        old = refused(place, mysql57_folder() / "server" / "mysqld")
        assert "MySQL 5.7.29 is a downgrade" in old
