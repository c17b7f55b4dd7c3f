"""Files of a MySQL that need care: those kept elsewhere, and those it encrypts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import Backup, Repository
from tests.commands import run_command
from tests.live.clone_jobs import USER, add_instance, make_main, start_options, taken
from tests.live.mysql import PrivateMysql

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

SCHEMA_ELSEWHERE = """CREATE DATABASE shop;
CREATE TABLE shop.elsewhere (a INT) DATA DIRECTORY '{outside}';
CREATE TABLESPACE general ADD DATAFILE '{outside}/general.ibd';
CREATE TABLE shop.shared (a INT) TABLESPACE general;
CREATE TABLE shop.squeezed (a INT) COMPRESSION='zlib';
CREATE TABLE shop.`na``me'" ü` (a INT);
INSERT INTO shop.elsewhere VALUES (7);
INSERT INTO shop.shared VALUES (7);
INSERT INTO shop.squeezed VALUES (7);
INSERT INTO shop.`na``me'" ü` VALUES (7)"""


@pytest.fixture
def main(tmp_path: Path, settings: Settings) -> Repository:
    return make_main(tmp_path, settings)


def test_tables_outside_the_data_directory_come_below_it(tmp_path: Path, main: Repository) -> None:
    outside = tmp_path / "out side"
    outside.mkdir()
    with PrivateMysql(tmp_path / "data", {"innodb-directories": str(outside)}) as server:
        server.execute(*USER, *SCHEMA_ELSEWHERE.format(outside=outside).split(";"))
        add_instance(server)
        label = taken()
    backup = Backup.objects.get()
    placed = {there: here for here, there in json.loads(backup.facts["external_files"]).items()}
    assert placed.keys() == {f"{outside}/general.ibd", f"{outside}/shop/elsewhere.ibd"}
    for path in outside.rglob("*.ibd"):
        path.unlink()
    target = tmp_path / "restored"
    ended = run_command("restorebackup", label, "--to", str(target), "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    assert list(outside.rglob("*.ibd")) == []
    with PrivateMysql(target, start_options(target)) as restored:
        for table in ("elsewhere", "shared", "squeezed", "na``me'\" ü"):
            assert restored.execute(f"SELECT * FROM shop.`{table}`") == [(7,)]
            (checked,) = restored.execute(f"CHECK TABLE shop.`{table}`")
            assert checked[2:] == ("status", "OK")
        assert restored.log_errors() == []


def test_what_could_not_be_restored_is_refused_before_a_byte(
    tmp_path: Path, main: Repository
) -> None:
    with PrivateMysql(keyring_folder(tmp_path / "data", tmp_path / "keyring")) as server:
        server.execute(*USER, "CREATE DATABASE safe")
        server.execute("CREATE TABLE safe.secret (a INT) ENCRYPTION='Y'")
        add_instance(server)
        ended = run_command("takebackup", "bank-1", "--foreground", "--json")
    assert ended.exit_code == 3
    assert "1 tablespaces are encrypted by the server" in ended.json()["error"]
    assert "could not restore them" in ended.json()["error"]


def keyring_folder(folder: Path, keyring: Path) -> Path:
    """Make a data folder whose server keeps its keys in a file beside it."""
    PrivateMysql(folder).initialise()
    (folder / "mysqld.my").write_text('{"components": "file://component_keyring_file"}')
    keys = json.dumps({"path": str(keyring), "read_only": False})
    (folder / "component_keyring_file.cnf").write_text(keys)
    return folder
