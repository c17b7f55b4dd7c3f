"""Files of a MySQL that need care: those kept elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import Backup, JobStage, Repository
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
    prepared = JobStage.objects.get(job__operation="restore", name="prepare")
    assert 0 < prepared.bytes_done == prepared.bytes_total
    assert list(outside.rglob("*.ibd")) == []
    with PrivateMysql(target, start_options(target)) as restored:
        for table in ("elsewhere", "shared", "squeezed", "na``me'\" ü"):
            assert restored.execute(f"SELECT * FROM shop.`{table}`") == [(7,)]
            (checked,) = restored.execute(f"CHECK TABLE shop.`{table}`")
            assert checked[2:] == ("status", "OK")
        assert restored.log_errors() == []
