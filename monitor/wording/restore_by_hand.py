"""How is a backup restored without Mooring: which commands, in which order? Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from backups.engines.mariadb_backup.restored import removal_of_links
from backups.models import Backup, BackupCopy
from backups.programs.compatibility import CLONE, parse_version

TARGET = "/path/to/empty/folder"
KEY_FILE = "/path/to/backup.key"


@dataclass(frozen=True, slots=True)
class ManualStep:
    """What to do, the command for it, and what to look at afterwards."""

    title: str
    command: str
    note: str = ""


def steps_by_hand(copy: BackupCopy) -> Sequence[ManualStep]:
    """Return the steps from the stored bytes to a server that answers."""
    engine_steps = _of_clone if copy.backup.engine == CLONE else _of_mariadb_backup
    return [_extract(copy), *engine_steps(copy.backup)]


def _extract(copy: BackupCopy) -> ManualStep:
    words = ["python3", "scripts/extract_backup.py", copy.repository.path]
    words += ["--label", copy.backup.label]
    if copy.key_id:
        words += ["--key-file", KEY_FILE]
    note = "Exit code 0 means that every byte was checked."
    if copy.key_id:
        note += f" The key file must hold the key {copy.key_id}."
    return ManualStep("Extract", shlex.join([*words, "--to", TARGET]), note)


def _of_mariadb_backup(backup: Backup) -> list[ManualStep]:
    series = _series(backup)
    prepare = f"mariadb-backup --defaults-file={TARGET}/backup-my.cnf --prepare"
    return [
        ManualStep(
            "Remove links to the originals",
            removal_of_links(TARGET),
            "Each leads to where a table with a DATA DIRECTORY was; its copy is here already, and "
            "the original would be opened instead.",
        ),
        ManualStep(
            "Prepare",
            f"{prepare} --target-dir={TARGET}",
            f"With mariadb-backup of MariaDB {series}. The last line must say “completed OK!”.",
        ),
        _own(),
        ManualStep(
            "Start it alone first",
            f"mariadbd --no-defaults --user=mysql --datadir={TARGET} --skip-networking "
            "--socket=/tmp/restored.sock --skip-grant-tables --skip-slave-start "
            "--event-scheduler=DISABLED",
            f"With mariadbd of MariaDB {series}. Options that shape files are in backup-my.cnf.",
        ),
        _look("mariadb"),
    ]


def _of_clone(backup: Backup) -> list[ManualStep]:
    steps = [_own()]
    if "keyring_file" in backup.facts:
        steps.append(
            ManualStep(
                "Give the server its keyring",
                f"ls {TARGET}/{backup.facts['keyring_file']}",
                "The files are encrypted: follow the part on keyrings of docs/restore-by-hand.md "
                "before the first start. A failed start may spoil the copy.",
            )
        )
    steps.append(
        ManualStep(
            "Start it alone first",
            f"mysqld --no-defaults --user=mysql --datadir={TARGET} --skip-networking "
            "--socket=/tmp/restored.sock --mysqlx=OFF --skip-replica-start "
            "--event-scheduler=DISABLED",
            f"With mysqld of MySQL {_series(backup)}: it recovers the files at its first start.",
        )
    )
    return [*steps, _look("mysql")]


def _own() -> ManualStep:
    return ManualStep(
        "Hand over", f"chown -R mysql:mysql {TARGET}", "To the user the server runs as."
    )


def _look(client: str) -> ManualStep:
    return ManualStep("Look", f"{client} -S /tmp/restored.sock -e 'SHOW DATABASES'")


def _series(backup: Backup) -> str:
    version = parse_version(backup.server_version)
    return f"{version.major}.{version.minor}" if version else "the series it was taken with"
