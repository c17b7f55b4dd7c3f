"""A real server's backup through pipes of real programs, a media manager's library, and Bacula."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from backups.models import (
    Backup,
    BackupCopy,
    Evidence,
    EvidenceChain,
    EvidenceLink,
    Instance,
    Job,
    MediaPiece,
    Repository,
)
from backups.programs.private_server import PrivateServer, ServerOptions
from tests.backups.pieces.media import describe, pieces
from tests.backups.repositories.media_manager import library
from tests.commands import run_command
from tests.live.faults import add_instance
from tests.live.media_programs import private_bacula, program
from tests.live.server import LiveServer

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]
ROWS = 2000
PIECE = Path(__file__).with_name("bacula_piece.py")


def ran(command: str, *words: str) -> dict[str, Any]:
    ended = run_command(command, *words, "--json")
    assert ended.exit_code == 0, (ended.stdout, ended.stderr)
    return ended.json()


@pytest.fixture
def shop(mariadb: LiveServer, tmp_path: Path, settings: Settings) -> Instance:
    """A server with a few rows, and a key."""
    settings.BACKUP_KEY_TEXT = ""
    settings.BACKUP_KEY_FILE = tmp_path / "backup.key"
    settings.SCRATCH_FOLDER = tmp_path / "scratch"
    ran("createbackupkey")
    mariadb.execute(
        "CREATE OR REPLACE DATABASE tape",
        "USE tape",
        "CREATE TABLE tape.orders (id INT PRIMARY KEY, note VARCHAR(200)) ENGINE=InnoDB",
        f"INSERT INTO tape.orders SELECT seq, REPEAT(MD5(seq), 6) FROM seq_1_to_{ROWS}",
    )
    add_instance(mariadb)
    return Instance.objects.get()


def by_age_and_mbuffer(settings: Settings, folder: Path) -> None:
    """Encrypted once more by age, through the buffer that one puts before a tape."""
    key = folder / "age.key"
    subprocess.run([*program("age-keygen"), "-o", str(key)], check=True, capture_output=True)
    reader = subprocess.run(
        [*program("age-keygen"), "-y", str(key)], check=True, capture_output=True, text=True
    ).stdout.strip()
    buffer = [*program("mbuffer"), "-q", "-m", "4M"]
    age = program("age")
    store = [[*age, "-r", reader], [*buffer, "-o", "{piece}"]]
    fetch = [[*buffer, "-i", "{piece}"], [*age, "-d", "-i", str(key)]]
    describe(settings, folder, store=store, fetch=fetch)


def by_library(settings: Settings, folder: Path) -> None:
    (folder / "tape").mkdir()
    settings.MEDIA_FILE = folder / "media.toml"
    entry = {"sbt_lib": str(library()), "stall_seconds": 20}
    lines = [f"{name} = {json.dumps(value)}" for name, value in entry.items()]
    lines.append(f'environment = {{ FAKE_FOLDER = "{folder / "tape"}" }}')
    settings.MEDIA_FILE.write_text("[lto]\n" + "\n".join(lines) + "\n")
    settings.MEDIA_FILE.chmod(0o600)


def lose_the_catalog() -> None:
    """Lose every row but the instance's; the medium is as it was."""
    for model in (
        MediaPiece,
        EvidenceLink,
        EvidenceChain,
        Evidence,
        Job,
        BackupCopy,
        Backup,
        Repository,
    ):
        model.objects.all().delete()


@pytest.mark.parametrize("medium", [by_age_and_mbuffer, by_library])
def test_the_whole_path_by_commands(
    medium: Any, shop: Instance, settings: Settings, tmp_path: Path
) -> None:
    medium(settings, tmp_path)
    add = ("addrepository", "tapes", "--path", "media:lto/site1")
    assert ran(*add)["adopted"] is False
    words = ["takebackup", "orders-1", "--kind", "full", "--repository", "tapes", "--foreground"]
    label = str(ran(*words)["label"])
    ran("verifybackup", label, "--foreground")

    # The database is lost; the tape and the key are not.
    lose_the_catalog()
    assert ran(*add)["adopted"] is True
    names = tmp_path / "names"
    names.write_text("\n".join(pieces(tmp_path / "tape")))
    listed = ("--pieces", str(names)) if medium is by_library else ()
    assert len(ran("rebuildcatalog", "tapes", *listed)["added"]) == 1

    ran("restorebackup", label, "--to", str(tmp_path / "restored"), "--foreground")
    assert rows_in(tmp_path / "restored") == ROWS
    ran("purgebackup", label, "--force", "--now", "--reason", "a test", "--foreground")
    assert pieces(tmp_path / "tape") == ["site1.mooring.json.1"]


def test_bacula_stores_and_restores_an_exported_backup(
    shop: Instance, settings: Settings, tmp_path: Path
) -> None:
    """As its administrator has it: the plugin bpipe reads the file, and writes it again."""
    ran("addrepository", "main", "--path", str(tmp_path / "main"))
    label = str(ran("takebackup", "orders-1", "--kind", "full", "--foreground")["label"])
    exported, back = tmp_path / "orders.tar", tmp_path / "back.tar"
    ran("exportbackup", label, "--file", str(exported), "--foreground")
    content = exported.read_bytes()
    with private_bacula(tmp_path / "bacula", f"cat {exported}", f"dd of={back}") as bacula:
        stored = bacula.back_up()
        assert "Backup OK" in stored, stored
        exported.unlink()
        restored = bacula.restore(1)
    assert "Restore OK" in restored, restored
    assert back.read_bytes() == content

    # The lost Mooring's backup, out of Bacula's volume, by another Mooring.
    ran("purgebackup", label, "--force", "--now", "--reason", "a test", "--foreground")
    ran("addrepository", "bacula", "--path", str(back))
    ran("rebuildcatalog", "bacula")
    words = [label, "--repository", "bacula", "--to", str(tmp_path / "restored"), "--foreground"]
    ran("restorebackup", *words)
    assert rows_in(tmp_path / "restored") == ROWS


def test_a_piece_can_be_a_job_of_bacula(shop: Instance, settings: Settings, tmp_path: Path) -> None:
    """Each piece runs one of its jobs, whose plugin reads what Mooring writes into a pipe."""
    folder = tmp_path / "pipes"
    (folder / "jobs").mkdir(parents=True)
    for pipe in ("in", "out"):
        os.mkfifo(folder / pipe)
    with private_bacula(tmp_path / "bacula", f"cat {folder}/in", f"dd of={folder}/out") as bacula:
        commands = {
            what: [sys.executable, str(PIECE), what, "{piece}", str(folder), *bacula.console]
            for what in ("store", "fetch", "exists", "remove")
        }
        describe(settings, tmp_path, **commands, list=None, stall_seconds=60)
        ran("addrepository", "tapes", "--path", "media:lto/site1")
        label = str(ran("takebackup", "orders-1", "--kind", "full", "--foreground")["label"])
        assert len(pieces(folder / "jobs")) == 3
        ran("restorebackup", label, "--to", str(tmp_path / "restored"), "--foreground")
        ran("purgebackup", label, "--force", "--now", "--reason", "a test", "--foreground")
    assert pieces(folder / "jobs") == ["site1.mooring.json.1"]
    assert rows_in(tmp_path / "restored") == ROWS


def rows_in(folder: Path) -> int:
    with (
        PrivateServer(folder, ServerOptions()) as server,
        server.connect() as root,
        root.cursor() as cursor,
    ):
        cursor.execute("SELECT COUNT(*) FROM tape.orders")
        ((count,),) = cursor.fetchall()
        return int(count)
